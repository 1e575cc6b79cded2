import { describe, expect, it } from 'vitest';
import type { Capabilities } from '../../../../engine/capabilities.js';
import { Schedule } from '../../../../engine/gpu/schedule.js';
import { nodeOf } from '../../../../engine/graph/op.js';
import { type DType, input, type Shape, type Tensor } from '../../../../engine/graph/tensor.js';
import { kernelSource } from '../../../../engine/kernels/kernelSource.js';
import { matmulCandidates } from '../../../../engine/kernels/matmul/candidates.js';
import { skinnyDispatch } from '../../../../engine/kernels/matmul/skinny.js';
import { activationGradient } from '../../../../engine/ops/activation.js';
import { add } from '../../../../engine/ops/add.js';
import { linear } from '../../../../engine/ops/linear.js';
import { matmul } from '../../../../engine/ops/matmul.js';
import { checkForward, TestRandom, testGpu, withCapabilities } from '../../../helpers/check.js';

const GPU: Partial<Capabilities> = { software: false, level: 'portable' };
const { capabilities: own } = withCapabilities(await testGpu(), GPU);

/** What a result stored as float16 is rounded by. */
const TOLERANCE = { f32: 1e-5, f16: 1e-3 };

/** Checks `outputs`, all of which come from the kernel for a few rows. */
async function checkRows(outputs: readonly Tensor[], dtype: 'f32' | 'f16' = 'f32'): Promise<void> {
  const names = new Schedule({ outputs }, own).sources().map(({ name }) => name);
  expect(new Set(names)).toEqual(new Set(['matmul_skinny']));
  await checkForward(outputs, { capabilities: GPU, tolerance: TOLERANCE[dtype] });
}

const make = (random: TestRandom, shape: Shape, label: string, dtype: DType): Tensor =>
  dtype === 'f16' ? random.halves(shape, label) : random.variable(shape, label);

describe('the skinny matmul', () => {
  // Steps over k: less than one, and one, two or four with a vector of the next.
  for (const [batch, m, n, k] of [
    [1, 1, 1, 64],
    [1, 8, 5, 1028],
    [3, 7, 13, 2052],
    [2, 9, 131, 68],
    [1, 16, 7, 4100],
  ] as const)
    it(`with B along k, ${batch} x ${m} x ${n} x ${k}`, async () => {
      const random = new TestRandom(m);
      const w = make(random, [batch, n, k], 'b', m > 8 ? 'f16' : 'f32');
      await checkRows([matmul(random.variable([batch, m, k], 'a'), w, { transposeB: true })]);
    });

  for (const [batch, m, n, k] of [
    [1, 1, 4, 64],
    [1, 8, 20, 516],
    [3, 7, 12, 1028],
    [2, 9, 132, 68],
    [1, 16, 8, 2052],
  ] as const)
    it(`with B along n, ${batch} x ${m} x ${n} x ${k}`, async () => {
      const random = new TestRandom(m);
      const w = make(random, [batch, k, n], 'b', m > 7 ? 'f16' : 'f32');
      await checkRows([matmul(random.variable([batch, m, k], 'a'), w)]);
    });

  for (const transposeB of [true, false])
    for (const dtype of ['f32', 'f16'] as const)
      it(`with rows of float16 and results of ${dtype}, ${transposeB ? 'B along k' : 'B along n'}`, async () => {
        const random = new TestRandom(5);
        const [m, n, k] = [11, 36, 132];
        const w = make(random, transposeB ? [n, k] : [k, n], 'b', dtype);
        await checkRows([matmul(random.halves([m, k], 'a'), w, { transposeB, dtype })], dtype);
      });

  for (const dtype of ['f32', 'f16'] as const)
    for (const n of dtype === 'f32' ? [20, 21] : [20])
      it(`finishes ${n} columns of ${dtype}: bias, activation, residual, and what it was before`, async () => {
        const random = new TestRandom(n);
        const [m, k] = [7, 72];
        const [x, w] = [make(random, [m, k], 'x', dtype), make(random, [n, k], 'w', dtype)];
        const bias = random.variable([n], 'bias');
        const y = linear(x, w, bias, { activation: 'gelu', dtype });
        await checkRows([y, nodeOf(y)!.outputs[1]!], dtype);
        await checkRows([add(random.variable([m, n], 'residual'), linear(x, w, bias))]);
      });

  it('multiplies by the derivative of an activation', async () => {
    const random = new TestRandom(9);
    const [m, n, k] = [10, 24, 76];
    const problem = matmul(random.variable([m, k], 'x'), random.variable([k, n], 'w'));
    await checkRows([activationGradient(random.variable([m, n], 'preactivation'), problem, 'quickGelu')]);
  });

  it('has one kernel for all sizes', () => {
    const texts = [
      [1, 4, 64],
      [16, 768, 3072],
    ].map(([m, n, k]) => {
      const [a, b, c] = [input([m!, k!]), input([n!, k!]), input([m!, n!])];
      const sizes = { batch: 1, m: m!, n: n!, k: k!, transposeA: false, transposeB: true };
      return kernelSource(skinnyDispatch({ a, b, c, sizes, epilogue: {} }), own).code;
    });
    expect(new Set(texts).size).toBe(1);
  });

  it('is what a GPU takes first where it can; a CPU adapter never does', () => {
    const names = (
      m: number,
      n: number,
      k: number,
      transposeA = false,
      transposeB = true,
      software = false,
    ) => {
      const a = input(transposeA ? [k, m] : [m, k]);
      const b = input(transposeB ? [n, k] : [k, n]);
      const sizes = { batch: 1, m, n, k, transposeA, transposeB };
      const problem = { a, b, c: input([m, n]), sizes, epilogue: {} };
      return matmulCandidates(problem, { ...own, software }).map(({ name }) => name);
    };
    expect([1, 8, 9, 16].map((m) => names(m, 768, 512)[0])).toEqual(['skinny', 'skinny', 'skinny', 'skinny']);
    expect(names(8, 100, 512, false, false)[0]).toBe('skinny');
    expect(names(8, 101, 512)[0]).toBe('skinny');
    for (const others of [
      names(17, 768, 512),
      names(8, 768, 514),
      names(8, 768, 32),
      names(8, 101, 512, false, false),
      names(8, 768, 512, true),
      names(8, 768, 512, false, true, true),
    ])
      expect(others.filter((name) => name === 'skinny')).toEqual([]);
  });
});
