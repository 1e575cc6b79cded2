import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Launch } from '../../../engine/gpu/launch.js';
import { write } from '../../../engine/gpu/memory.js';
import { Plan } from '../../../engine/gpu/plan.js';
import { Pieces } from '../../../engine/gpu/submissions.js';
import { input } from '../../../engine/graph/tensor.js';
import { matmul } from '../../../engine/ops/matmul.js';
import { multiply } from '../../../engine/ops/multiply.js';
import { sum } from '../../../engine/ops/reduce.js';
import { TestRandom, testGpu } from '../../helpers/check.js';

const launch = (name: string, flops: number) => ({ name, flops, bytes: 0 }) as unknown as Launch;
/** Of 100, 300, 100, 500 and 100 ms on a slow GPU. */
const launches = [1, 3, 1, 5, 1].map((hundreds, i) => launch('abcde'[i]!, hundreds * 100 * 5e7));
const names = (lists: readonly (readonly Launch[])[]) =>
  lists.map((list) => list.map(({ name }) => name).join(''));

describe('pieces of a step', () => {
  it('stay below the bound, where a launch alone does', () => {
    expect(names(new Pieces(launches).forRun(450))).toEqual(['ab', 'c', 'd', 'e']);
    expect(names(new Pieces(launches).forRun(600))).toEqual(['abc', 'de']);
    expect(names(new Pieces(launches).forRun(1))).toEqual(['a', 'b', 'c', 'd', 'e']);
    expect(names(new Pieces(launches).forRun(1e6))).toEqual(['abcde']);
  });

  it('follow the times of earlier runs', () => {
    let clock = 0;
    const pieces = new Pieces(launches, () => clock);
    expect(pieces.forRun(600)).toHaveLength(2);
    // Ten times faster than assumed.
    const first = pieces.reading()!;
    clock += 110;
    first();
    expect(names(pieces.forRun(600))).toEqual(['abcde']);
    // Two runs under way: the second has not begun before the first has ended.
    const second = pieces.reading()!;
    pieces.forRun(600);
    const third = pieces.reading()!;
    clock += 4400;
    second();
    clock += 4400;
    third();
    expect(pieces.forRun(600).length).toBeGreaterThan(3);
  });

  it('learn nothing from a read without a run', () => {
    expect(new Pieces(launches).reading()).toBeUndefined();
  });
});

describe('a plan in pieces', () => {
  afterEach(() => vi.restoreAllMocks());

  it('computes the same bits as in one', async () => {
    const gpu = await testGpu();
    const random = new TestRandom(5);
    const x = input([40, 30], 'x');
    let y = x;
    for (let i = 0; i < 4; i++) y = matmul(multiply(y, y), random.variable([30, 30], `w${i}`));
    const total = sum(y);
    const plan = await Plan.compile(gpu, { outputs: [y, total] });
    const { maxSubmitMs } = gpu;
    const submit = vi.spyOn(gpu.device.queue, 'submit');
    const results: { submissions: number; bits: Buffer }[] = [];
    try {
      for (const bound of [0, 1e-6, 1e6]) {
        gpu.maxSubmitMs = bound;
        write(gpu, x, random.array(1200).fill(0.3));
        submit.mockClear();
        plan.run();
        const submissions = submit.mock.calls.length;
        const values = await plan.readTogether([y, total]);
        results.push({ submissions, bits: Buffer.concat(values.map(({ buffer }) => Buffer.from(buffer))) });
      }
    } finally {
      gpu.maxSubmitMs = maxSubmitMs;
    }
    const [whole, cut, long] = results;
    expect(whole!.submissions).toBe(1);
    expect(cut!.submissions).toBe(plan.launches.length);
    expect(cut!.submissions).toBeGreaterThan(4);
    expect(long!.submissions).toBe(1);
    expect(cut!.bits.equals(whole!.bits)).toBe(true);
    expect(long!.bits.equals(whole!.bits)).toBe(true);
    plan.destroy();
  });
});
