import { afterAll, describe, expect, it } from 'vitest';
import { unfused } from '../../bench/step/unfused.js';
import { measureEncoder } from '../../bench/workloads/encoder.js';
import { casesFor, FAMILIES, kernelCases } from '../../bench/workloads/kernelCases.js';
import { fillLeaves } from '../../bench/workloads/kernels.js';
import { modelNamed } from '../../bench/workloads/models.js';
import { stepRequests } from '../../bench/workloads/steps.js';
import { seededValues } from '../../bench/workloads/values.js';
import { type Gpu, openGpu } from '../../engine/gpu/gpu.js';
import { releaseAll, write } from '../../engine/gpu/memory.js';
import { copied, multiplyAdd } from '../../engine/gpu/peaks.js';
import { Plan } from '../../engine/gpu/plan.js';
import { type PlanRequest, Schedule } from '../../engine/gpu/schedule.js';
import { evaluate } from '../../engine/graph/reference.js';
import { constant, type Tensor } from '../../engine/graph/tensor.js';
import { relativeError } from '../helpers/check.js';

const gpu: Gpu = await openGpu();
afterAll(() => gpu.destroy());

/** Fills all leaves like the bench, runs the kernels once, and compares with the float64 references. */
async function compare(request: PlanRequest): Promise<number> {
  const feeds = new Map<Tensor, Float32Array>();
  for (const leaf of new Schedule(request, gpu.capabilities).leaves) {
    const scale = leaf.label === 'input' ? 1 : 0.1;
    if (leaf.leaf!.data) continue;
    // Values that float16 can represent, so that storage adds no error.
    const values = seededValues(leaf.id, leaf.size, scale).map((v) => Math.round(v * 64) / 64);
    write(gpu, leaf, values);
    feeds.set(leaf, values);
  }
  const outputs = request.outputs!;
  const expected = evaluate(outputs, feeds);
  const plan = await Plan.compile(gpu, request, { poison: true });
  plan.run();
  let worst = 0;
  for (const output of outputs)
    worst = Math.max(worst, relativeError(await plan.read(output), expected.get(output)!));
  plan.destroy();
  releaseAll(gpu);
  return worst;
}

const SIZES = { model: 'test', batch: 2, tokens: 5, width: 64, patch: 4, resolution: 8, classes: 7 };

describe('the kernels that are timed', () => {
  it('cover every family', () => {
    expect([...new Set(kernelCases(SIZES).map(({ family }) => family))].sort()).toEqual([...FAMILIES].sort());
  });

  it.each(kernelCases(SIZES))('compute what their name says: $family $name', async ({ outputs }) => {
    expect(await compare({ outputs })).toBeLessThan(1e-5);
  });

  it.each(kernelCases(SIZES, 'f16'))(
    'compute it with float16 storage: $family $name',
    async ({ outputs }) => {
      // Half of float16's 2^-10.
      expect(await compare({ outputs })).toBeLessThan(5e-4);
    },
  );

  it('time backward kernels alone', () => {
    const backward = kernelCases(SIZES).find(({ name }) => name.startsWith('backward 10 x 64'))!;
    expect(
      new Schedule({ outputs: backward.outputs }, gpu.capabilities).nodes.map(({ op }) => op.name),
    ).toEqual(['layerNormGradient']);
  });

  it('include square matmuls only on a GPU', () => {
    const named = (software: boolean) =>
      casesFor({ software }, ['f32'], false).filter(({ name }) => name === 'square 4096 x 4096 x 4096')
        .length;
    expect([named(false), named(true)]).toEqual([3, 0]);
  });
});

describe('the peaks', () => {
  it.each([false, true])(
    'multiply and add as many numbers as they count (four at a time: %s)',
    async (wide) => {
      const result = multiplyAdd({ invocations: 128, steps: 16, wide });
      expect(await compare({ outputs: [result] })).toBeLessThan(1e-5);
      expect(new Schedule({ outputs: [result] }, gpu.capabilities).describe().flops).toBe(
        2 * 128 * 16 * 8 * (wide ? 4 : 1),
      );
    },
  );

  it('copy', async () => {
    expect(await compare({ outputs: [copied(constant(undefined, [260], 'input'))] })).toBe(0);
  });
});

describe('the encoder', () => {
  it('is measured at every batch and precision', async () => {
    const config = modelNamed('emoji-student');
    const repetition = { repeats: 1, leastMs: 0 };
    const rows = await measureEncoder(gpu, 'emoji-student', config, [1, 2], ['f32', 'f16'], repetition);
    expect(rows.map(({ batch, dtype }) => [batch, dtype])).toEqual([
      [1, 'f32'],
      [2, 'f32'],
      [1, 'f16'],
      [2, 'f16'],
    ]);
    expect(rows[1]!.flops).toBe(2 * rows[0]!.flops);
    expect(rows[2]!.bytes).toBeLessThan(rows[0]!.bytes);
    expect(rows.every(({ timing }) => timing.median > 0)).toBe(true);
  });
});

describe('the step without fusion', () => {
  it('computes the same loss in more dispatches', async () => {
    const small = modelNamed('emoji-student');
    const step = stepRequests(small, small, { classes: 5, batch: 2 }).student.train;
    const apart = unfused(step);
    fillLeaves(gpu, step);
    const rate = [...new Schedule(step, gpu.capabilities).leaves].find(
      ({ label }) => label === 'learning rate',
    )!;
    // A rate of 0, so that both plans see the same values.
    write(gpu, rate, Float32Array.of(0));
    const together = await Plan.compile(gpu, step);
    const alone = await Plan.compile(gpu, apart, { fuse: false });
    expect(alone.launches.length).toBeGreaterThan(together.launches.length + 3 * 3 * 2);
    const losses: number[] = [];
    for (const [plan, request] of [
      [together, step],
      [alone, apart],
    ] as const) {
      plan.run();
      losses.push((await plan.read(request.outputs![0]!))[0]!);
    }
    expect(Number.isFinite(losses[0])).toBe(true);
    expect(losses[0]).not.toBe(0);
    expect(Math.abs(losses[1]! / losses[0]! - 1)).toBeLessThan(1e-4);
    together.destroy();
    alone.destroy();
    releaseAll(gpu);
  });
});
