/** `DEBUG=2` and `DEBUG=3`: the table of kernels, and that observing a run changes nothing in it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { formatKernels, KernelReport } from '../../cli/debug/kernelReport.js';
import { debugLevel } from '../../cli/debug/level.js';
import { emojiClipFolder } from '../../cli/demo/emoji.js';
import { observerOf } from '../../engine/gpu/observer.js';
import { Plan } from '../../engine/gpu/plan.js';
import { matmul } from '../../engine/ops/matmul.js';
import { sum } from '../../engine/ops/reduce.js';
import { TestRandom, testGpu, withCapabilities } from '../helpers/check.js';
import { promptkdAsync } from '../helpers/cli.js';
import { temporaryFolder } from '../helpers/files.js';

const folder = temporaryFolder('kernels');

const RUNS = 3;

/** The result of three runs of a plan of two matmuls and a sum, and what a report of this level wrote. */
async function report(level: number, timestamps?: boolean) {
  const real = await testGpu();
  const gpu = timestamps === undefined ? real : withCapabilities(real, { timestamps });
  let text = '';
  const kernels = new KernelReport(level, (part) => (text += part));
  kernels.attach(gpu);
  const x = new TestRandom(1).variable([64, 64], 'x');
  const output = sum(matmul(matmul(x, x), x));
  const plan = await Plan.compile(gpu, { outputs: [output] });
  for (let run = 0; run < RUNS; run++) plan.run();
  const [value] = await plan.read(output);
  await kernels.finish();
  plan.destroy();
  return { value, text };
}

describe('debugLevel', () => {
  it.each([
    [undefined, 0],
    ['', 0],
    ['0', 0],
    ['1', 1],
    ['2', 2],
    ['3', 3],
    ['yes', 1],
  ])('takes DEBUG=%j as %d', (DEBUG, level) => expect(debugLevel({ DEBUG })).toBe(level));
});

describe('KernelReport', () => {
  it('observes nothing below level 2', async () => {
    expect((await report(1)).text).toBe('');
    expect(observerOf(await testGpu())).toBeUndefined();
  });

  it.each([true, false])('counts and times every launch, with timestamps: %s', async (timestamps) => {
    const gpu = await testGpu();
    if (timestamps && !gpu.capabilities.timestamps) return;
    const plain = await report(0);
    const { value, text } = await report(2, timestamps);
    expect(value).toBe(plain.value);
    expect(text).toMatch(timestamps ? /device's timestamps/ : /no timestamps on this adapter/);
    const rows = text.split('\n').map((line) => line.split('│').map((cell) => cell.trim()));
    const row = (name: RegExp) => rows.find((cells) => name.test(cells[1] ?? ''));
    expect(row(/^matmul/)?.[2]).toBe(String(2 * RUNS));
    expect(row(/^reduce/)?.[2]).toBe(String(RUNS));
    const total = row(/^total$/) ?? [];
    expect(total[2]).toBe(String(3 * RUNS));
    expect(Number(total[3])).toBeGreaterThan(0);
    expect(Number(total[5])).toBeGreaterThan(0);
    expect(text).not.toContain('@compute');
  });

  it('prints the WGSL of each kernel once at level 3', async () => {
    const { text } = await report(3);
    const kernels = [...text.matchAll(/^\/\/ kernel (\S+), entry point/gm)].map(([, name]) => name);
    expect(kernels).toHaveLength(2);
    expect(text.match(/@compute/g)?.length).toBeGreaterThanOrEqual(2);
  });
});

it('follows a command with DEBUG=2, and does not change its result', async () => {
  const vectors = (name: string, env: Record<string, string>) =>
    promptkdAsync(
      ['class-vectors', '--clip', join(emojiClipFolder(), 'student'), '--class', 'cat', 'dog', '--out', name],
      { cwd: folder, env },
    );
  const plain = await vectors('plain', { DEBUG: '' });
  expect(plain, plain.stderr).toMatchObject({ status: 0, stderr: expect.not.stringContaining('kernels of') });
  const { status, stdout, stderr } = await vectors('observed', { DEBUG: '2' });
  expect(status, stderr).toBe(0);
  expect(stdout).not.toContain('kernel');
  expect(stderr).toMatch(/kernels of this run .*\n.*\n.* launches .* ms .* GFLOP\/s .* GB\/s/);
  expect(readFileSync(join(folder, 'observed'))).toEqual(readFileSync(join(folder, 'plain')));
});

it('formats rates from the totals of a kernel', () => {
  const text = formatKernels([{ name: 'a', launches: 2, milliseconds: 4, flops: 8e6, bytes: 4e6 }]);
  expect(text).toMatch(/a +│ +2 +│ +4\.00 +│ +100 % +│ +2\.00 +│ +1\.00/);
});
