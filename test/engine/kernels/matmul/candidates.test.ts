import { describe, expect, it } from 'vitest';
import type { Capabilities } from '../../../../engine/capabilities.js';
import { nodeOf } from '../../../../engine/graph/op.js';
import { constant, input, type Tensor } from '../../../../engine/graph/tensor.js';
import type { Choose } from '../../../../engine/graph/tunable.js';
import { toHalf } from '../../../../engine/half.js';
import { matmulCandidates } from '../../../../engine/kernels/matmul/candidates.js';
import type { MatmulProblem } from '../../../../engine/kernels/matmul/launch.js';
import { add } from '../../../../engine/ops/add.js';
import { linear } from '../../../../engine/ops/linear.js';
import { matmul } from '../../../../engine/ops/matmul.js';
import { checkForward, gpuKernels, layouts, TestRandom, testGpu } from '../../../helpers/check.js';

const { capabilities: own } = await testGpu();
/** The adapter of this test run, and the same as a GPU in plain WGSL. */
const GPU: Partial<Capabilities> = { software: false, level: 'portable' };
const named =
  (name: string): Choose =>
  ({ candidates }) => {
    expect(candidates.map((candidate) => candidate.name)).toContain(name);
    return name;
  };

function operands(
  random: TestRandom,
  [batch, m, n, k]: readonly number[],
  [transposeA, transposeB]: readonly [boolean, boolean],
  half = false,
): [Tensor, Tensor] {
  const make = (shape: readonly number[], label: string) => {
    const values = random.array(shape.reduce((p, s) => p * s, 1));
    return constant(half ? toHalf(values) : values, shape, label);
  };
  return [
    make(transposeA ? [batch!, k!, m!] : [batch!, m!, k!], 'a'),
    make(transposeB ? [batch!, n!, k!] : [batch!, k!, n!], 'b'),
  ];
}

const problemOf = (m: number, n: number, k: number) => ({
  a: input([m, k]),
  b: input([n, k]),
  c: input([m, n]),
  sizes: { batch: 1, m, n, k, transposeA: false, transposeB: true },
  epilogue: {},
});

describe('the candidates of a matmul', () => {
  for (const layout of layouts)
    for (const dtype of ['float32', 'float16'])
      it(`every tile for CPU subgroups agrees with the reference, ${dtype}, transposed ${layout}`, async () => {
        const random = new TestRandom(1);
        const half = dtype === 'float16';
        const [transposeA, transposeB] = layout;
        const [batch, m, n, k] = half ? ([1, 36, 68, 44] as const) : ([2, 37, 68, 44] as const);
        const [a, b] = operands(random, [batch, m, n, k], layout, half);
        const sizes = { batch, m, n, k, transposeA, transposeB };
        const problem = { a, b, c: input([batch, m, n]), sizes, epilogue: {} };
        const names = matmulCandidates(problem, own).map(({ name }) => name);
        for (const name of names.filter((each) => each.startsWith('subgroup-broadcast')))
          await checkForward([matmul(a, b, { transposeA, transposeB })], { choose: named(name) });
      });

  for (const tile of gpuKernels ? [32, 64, 128] : [])
    for (const layout of layouts)
      it(`shared-memory tiles of ${tile} agree with the reference, transposed ${layout}`, async () => {
        const random = new TestRandom(tile);
        const [transposeA, transposeB] = layout;
        // Odd everywhere: element by element, with a last step over k that is not full.
        const sizes = tile === 128 ? [[1, 131, 137, 19]] : [[2, 35, 67, 37]];
        for (const shape of sizes) {
          const [a, b] = operands(random, shape, layout);
          const choose = named(`shared-memory-tiled ${tile}`);
          await checkForward([matmul(a, b, { transposeA, transposeB })], { capabilities: GPU, choose });
        }
      });

  it('shared-memory-tiled tiles take vectors, float16 and a depth that is no multiple of the step', async () => {
    const random = new TestRandom(7);
    for (const layout of layouts) {
      const [a, b] = operands(random, [2, 36, 68, 20], layout, true);
      const [transposeA, transposeB] = layout;
      const choose = named('shared-memory-tiled 32');
      await checkForward([matmul(a, b, { transposeA, transposeB })], { capabilities: GPU, choose });
    }
  });

  // lavapipe of Mesa 26 has matrices of 8 x 8 x 8 (scripts/mesa-matrix.sh); other adapters here only compile these kernels.
  if (own.level === 'matrix')
    it('every tile on subgroup matrices that is offered agrees with the reference', async () => {
      const random = new TestRandom(2);
      const [transposeA, transposeB] = [false, true];
      const [batch, m, n, k] = [2, 72, 88, 40] as const;
      const [a, b] = operands(random, [batch, m, n, k], [transposeA, transposeB], true);
      const gpu = { software: false } as const;
      const sizes = { batch, m, n, k, transposeA, transposeB };
      const problem = { a, b, c: input([batch, m, n]), sizes, epilogue: {} };
      const names = matmulCandidates(problem, { ...own, ...gpu })
        .map(({ name }) => name)
        .filter((name) => name.startsWith('tensor-core'));
      expect(names.length).toBeGreaterThan(1);
      for (const name of names)
        await checkForward([matmul(a, b, { transposeA, transposeB })], {
          capabilities: gpu,
          choose: named(name),
        });
    });

  it('every kernel finishes a result the same way: bias, activation, residual, and what it was before', async () => {
    const random = new TestRandom(3);
    for (const [m, n, k] of [
      [19, 20, 12],
      [19, 21, 13],
    ] as const) {
      const x = random.variable([m, k], 'x');
      const weight = random.variable([n, k], 'weight');
      const bias = random.variable([n], 'bias');
      const y = linear(x, weight, bias, { activation: 'gelu' });
      const sum = add(random.variable([m, n], 'residual'), linear(x, weight, bias));
      const preactivation = nodeOf(y)!.outputs[1]!;
      for (const capabilities of [{}, GPU, { level: 'portable', software: true } as const])
        await checkForward([y, preactivation, sum], { capabilities });
    }
  });

  it('folds the grid where there are more tiles than one dimension takes', async () => {
    const random = new TestRandom(5);
    const [a, b] = operands(random, [65539, 1, 1, 2], [false, false]);
    await checkForward([matmul(a, b)]);
    await checkForward([matmul(a, b)], { capabilities: { level: 'portable', software: true } });
  });

  it('offers a GPU subgroup matrices first, and one plain kernel of each kind after them', async () => {
    const { capabilities } = await testGpu();
    const config = (M: number, N: number, K: number) => ({
      ...{ componentType: 'f16', resultComponentType: 'f32' },
      ...{ M, N, K },
    });
    const gpu: Capabilities = {
      ...capabilities,
      ...{ software: false, level: 'matrix', f16: true, units: 132 },
      subgroupMatrix: [config(16, 8, 8), config(16, 8, 16), config(16, 16, 16)],
      ...{ subgroupSize: [32, 32], workgroupMemory: 49152 },
    };
    const names = (problem: MatmulProblem) => matmulCandidates(problem, gpu).map(({ name }) => name);
    const half = (m: number, n: number, k: number) => ({
      ...problemOf(m, n, k),
      a: input([m, k], 'a', 'f16'),
      b: input([n, k], 'b', 'f16'),
    });
    expect(names(half(4096, 4096, 4096))).toEqual([
      'tensor-core f16 16x16x16, 4x2 of 64x64, k by 16, two stages',
      'tensor-core f16 16x16x16, 2x2 of 64x64, k by 32',
      'tensor-core f16 16x16x16, 2x2 of 64x48, k by 32',
      'tensor-core f16 16x16x16, 1x4 of 64x32, k by 64',
      'tensor-core f16 16x16x16, 2x2 of 32x32, k by 32',
      'shared-memory-tiled 128',
      'register-tiled',
    ]);
    // The axis that is contiguous in storage must be a multiple of 16 bytes.
    expect(names(half(64, 64, 36))[0]).toBe('shared-memory-tiled 32');
    // Float32 operands are rounded to float16 to use a faster unit only where a problem says that they may be.
    const mixed = { ...half(1576, 768, 768), a: input([1576, 768]) };
    expect(names(mixed).filter((name) => name.startsWith('tensor-core'))).toEqual([]);
    expect(names({ ...mixed, rounded: true })[0]).toMatch(/^tensor-core/);
    expect(names(problemOf(2088, 3072, 1024))).toEqual([
      'shared-memory-tiled 64',
      'shared-memory-tiled 32',
      'shared-memory-tiled 128',
      'register-tiled',
    ]);
  });
});
