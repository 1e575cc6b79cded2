import { describe, expect, it } from 'vitest';
import type { Capabilities } from '../../../engine/gpu.js';
import { toHalf } from '../../../engine/half.js';
import { add } from '../../../engine/ops/add.js';
import { linear } from '../../../engine/ops/linear.js';
import { matmul } from '../../../engine/ops/matmul.js';
import { productCandidates } from '../../../engine/product/candidates.js';
import { constant, input, type Tensor } from '../../../engine/tensor.js';
import type { Choose } from '../../../engine/tuning.js';
import { checkForward, TestRandom, testGpu } from '../../helpers/check.js';

const layouts = [
  [false, false],
  [false, true],
  [true, false],
  [true, true],
] as const;

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

const productOf = (m: number, n: number, k: number) => ({
  a: input([m, k]),
  b: input([n, k]),
  c: input([m, n]),
  sizes: { batch: 1, m, n, k, transposeA: false, transposeB: true },
  epilogue: {},
});

describe('the candidates of a product', () => {
  it('every tile for CPU subgroups agrees with the reference in every layout, in float32 and float16', async () => {
    const random = new TestRandom(1);
    for (const layout of layouts)
      for (const half of [false, true]) {
        const [transposeA, transposeB] = layout;
        const [batch, m, n, k] = half ? ([1, 36, 68, 44] as const) : ([2, 37, 68, 44] as const);
        const [a, b] = operands(random, [batch, m, n, k], layout, half);
        const sizes = { batch, m, n, k, transposeA, transposeB };
        const product = { a, b, c: input([batch, m, n]), sizes, epilogue: {} };
        const names = productCandidates(product, own).map(({ name }) => name);
        for (const name of names.filter((each) => each.startsWith('broadcast')))
          await checkForward([matmul(a, b, { transposeA, transposeB })], { choose: named(name) });
      }
  });

  for (const tile of [32, 64, 128])
    for (const layout of layouts)
      it(`staged tiles of ${tile} agree with the reference, transposed ${layout}`, async () => {
        const random = new TestRandom(tile);
        const [transposeA, transposeB] = layout;
        // Odd everywhere: element by element, with a last step over k that is not full.
        const sizes = tile === 128 ? [[1, 131, 137, 19]] : [[2, 35, 67, 37]];
        for (const shape of sizes) {
          const [a, b] = operands(random, shape, layout);
          const choose = named(`staged ${tile}`);
          await checkForward([matmul(a, b, { transposeA, transposeB })], { capabilities: GPU, choose });
        }
      });

  it('staged tiles take vectors, float16 and a depth that is no multiple of the step', async () => {
    const random = new TestRandom(7);
    for (const layout of layouts) {
      const [a, b] = operands(random, [2, 36, 68, 20], layout, true);
      const [transposeA, transposeB] = layout;
      const choose = named('staged 32');
      await checkForward([matmul(a, b, { transposeA, transposeB })], { capabilities: GPU, choose });
    }
  });

  // lavapipe of Mesa 26 has matrices of 8 x 8 x 8 (scripts/mesa-matrix.sh); other adapters here only compile these kernels.
  if (own.level === 'matrix')
    for (const fragments of [4, 2])
      it(`subgroup matrices, ${fragments} a side, agree with the reference in every layout`, async () => {
        const random = new TestRandom(fragments);
        const choose: Choose = ({ candidates }) => {
          const name = candidates.find(({ name }) => name.endsWith(`${fragments} a side`))?.name;
          expect(name).toBeDefined();
          return name;
        };
        for (const layout of layouts) {
          const [transposeA, transposeB] = layout;
          // No multiple of a tile, and a last step over k that is not full.
          const [a, b] = operands(random, [2, 72, 88, 40], layout, true);
          const product = matmul(a, b, { transposeA, transposeB });
          await checkForward([product], { capabilities: { software: false }, choose });
        }
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
      const pre = y.node!.outputs[1]!;
      for (const capabilities of [{}, GPU, { level: 'portable', software: true } as const])
        await checkForward([y, pre, sum], { capabilities });
    }
  });

  it('folds the grid where there are more tiles than one dimension takes', async () => {
    const random = new TestRandom(5);
    const [a, b] = operands(random, [65539, 1, 1, 2], [false, false]);
    await checkForward([matmul(a, b)]);
    await checkForward([matmul(a, b)], { capabilities: { level: 'portable', software: true } });
  });

  it('offers a GPU the largest tile that gives it enough workgroups, and matrices only as experiments', async () => {
    const { capabilities } = await testGpu();
    const config = { componentType: 'f16', resultComponentType: 'f32', M: 16, N: 16, K: 16 };
    const gpu: Capabilities = {
      ...capabilities,
      ...{ software: false, level: 'matrix', f16: true, subgroupMatrix: [config] },
      ...{ subgroupSize: [32, 32], workgroupMemory: 49152 },
    };
    const first = (m: number, n: number) => productCandidates(productOf(m, n, 768), gpu)[0]!.name;
    expect([first(1576, 3072), first(1024, 768), first(64, 768)]).toEqual([
      'staged 128',
      'staged 64',
      'staged 32',
    ]);
    const halves = {
      ...productOf(1576, 768, 768),
      a: input([1576, 768], 'a', 'f16'),
      b: input([768, 768], 'b', 'f16'),
    };
    const experiments = productCandidates(halves, gpu).filter(({ experimental }) => experimental);
    expect(experiments.map(({ name }) => name)).toEqual([
      'matrix f16 16x16x16, 4 a side',
      'matrix f16 16x16x16, 2 a side',
    ]);
    // Float32 operands are not rounded to float16 to use a faster unit.
    expect(productCandidates(productOf(1576, 768, 768), gpu).some(({ experimental }) => experimental)).toBe(
      false,
    );
  });
});
