/**
 * The matmul on tensor cores (subgroup matrices) in every shape and with every epilogue. lavapipe of Mesa 26 has matrices of 8 x 8 x 8
 * (scripts/mesa-matrix.sh); other adapters here only compile these kernels (checks/shaders/candidateVariants.ts).
 */
import { describe, expect, it } from 'vitest';
import type { Capabilities } from '../../../../engine/capabilities.js';
import { Plan } from '../../../../engine/gpu/plan.js';
import { call, nodeOf, type Op } from '../../../../engine/graph/op.js';
import { evaluate } from '../../../../engine/graph/reference.js';
import { constant, type DType, type Shape, sizeOf, type Tensor } from '../../../../engine/graph/tensor.js';
import { toHalf } from '../../../../engine/half.js';
import { activationDerivative, activationValue } from '../../../../engine/kernels/activations.js';
import type { Epilogue, MatmulProblem, MatmulSizes } from '../../../../engine/kernels/matmul/launch.js';
import { matmulReference } from '../../../../engine/kernels/matmul/reference.js';
import {
  type TensorCoreShape,
  tensorCoreConfig,
  tensorCoreDispatch,
} from '../../../../engine/kernels/matmul/tensorCore.js';
import { layouts, TestRandom, testGpu, withCapabilities } from '../../../helpers/check.js';

const own = await testGpu();
const gpu = withCapabilities(own, { software: false, workgroupInvocations: 1024 });
const capabilities: Capabilities = gpu.capabilities;

type Names = 'a' | 'b' | 'bias' | 'residual' | 'saved';
interface Case {
  readonly sizes: MatmulSizes;
  readonly shape: TensorCoreShape;
  readonly follows: Pick<Epilogue, 'activation'> & {
    readonly bias?: boolean;
    readonly preactivation?: boolean;
    readonly residual?: boolean;
    readonly activationGradient?: boolean;
  };
  readonly rounded?: boolean;
  readonly dtype: DType;
}

/** A matmul by one kernel, as an operation: outputs are C and the values before the activation. */
const op: Op<Case & { readonly inputs: readonly Names[] }> = {
  name: 'tensor-core matmul',
  half: true,
  outputs: (_, { sizes: { batch, m, n }, dtype }) => [
    { shape: [batch, m, n], dtype },
    { shape: [batch, m, n], dtype },
  ],
  kernels: ({ inputs, outputs: [c, preactivation], attributes }) => {
    const { follows, sizes, shape, rounded } = attributes;
    const named = Object.fromEntries(attributes.inputs.map((name, i) => [name, inputs[i]!]));
    const epilogue: Epilogue = {
      bias: named.bias,
      activation: follows.activation,
      preactivation: follows.preactivation ? preactivation : undefined,
      residual: named.residual,
      activationGradient: named.saved && { preactivation: named.saved, activation: 'gelu' },
    };
    const problem: MatmulProblem = { a: named.a!, b: named.b!, c: c!, sizes, epilogue, rounded };
    return [
      tensorCoreDispatch(problem, { config: tensorCoreConfig(problem, capabilities)!, shape }, capabilities),
    ];
  },
  reference: ({ attributes: { sizes, follows, inputs: names } }, values) => {
    const of = Object.fromEntries(names.map((name, i) => [name, values[i]!]));
    const sums = matmulReference(of.a!, of.b!, sizes);
    const preactivation = sums.map((x, i) => x + (of.bias?.[i % sizes.n] ?? 0));
    const c = preactivation.map((x, i) => {
      const { saved, residual } = of;
      if (saved) return x * activationDerivative(saved[i]!, 'gelu');
      const y = follows.activation ? activationValue(x, follows.activation) : x;
      return y + (residual?.[i] ?? 0);
    });
    return [c, preactivation];
  },
};

/** Half the distance between neighbours of that type at a value, as a part of it. */
const HALF_ULP = { f32: 2 ** -24, f16: 2 ** -11, i32: 0 };

/**
 * Runs the kernel and compares every element with float64. A right result is off by half an ulp of its type, and by what K additions
 * in float32 lose, each no more than an ulp (tensor cores cut off) of a sum that is no larger than the largest result; the
 * activations here make at most 1.2 of an error.
 */
async function check(random: TestRandom, wanted: Case, operands: readonly [DType, DType] = ['f16', 'f16']) {
  const { sizes, follows, dtype } = wanted;
  const { batch, m, n, k, transposeA, transposeB } = sizes;
  const make = (shape: Shape, type: DType, label: string, scale = 1): Tensor => {
    const values = random.array(sizeOf(shape), scale);
    return constant(type === 'f16' ? toHalf(values) : values, shape, label);
  };
  const tensors: Partial<Record<Names, Tensor>> = {
    a: make(transposeA ? [batch, k, m] : [batch, m, k], operands[0], 'a'),
    b: make(transposeB ? [batch, n, k] : [batch, k, n], operands[1], 'b'),
    ...(follows.bias && { bias: make([n], 'f32', 'bias') }),
    ...(follows.residual && { residual: make([batch, m, n], 'f32', 'residual') }),
    ...(follows.activationGradient && { saved: make([batch, m, n], 'f16', 'saved', 3) }),
  };
  const inputs = Object.keys(tensors) as Names[];
  const attributes = { ...wanted, inputs };
  const c = call(op, Object.values(tensors), attributes);
  const preactivation = nodeOf(c)!.outputs[1]!;
  const outputs = follows.preactivation ? [c, preactivation] : [c];
  const expected = evaluate(outputs);
  const plan = await Plan.compile(gpu, { outputs }, { poison: true });
  plan.run();
  // Operands are below 1 and 1/4 a product of two in the mean.
  const rounding = wanted.rounded ? (k / 4) * HALF_ULP.f16 : 0;
  for (const tensor of outputs) {
    const found = await plan.read(tensor);
    const right = expected.get(tensor)!;
    const largest = right.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const bound = 1.2 * (k * 2 * HALF_ULP.f32 * largest + rounding) + HALF_ULP[dtype] * largest;
    const worst = right.reduce((most, value, at) => {
      const difference = Math.abs(found[at]! - value);
      return Number.isNaN(difference) ? Number.POSITIVE_INFINITY : Math.max(most, difference);
    }, 0);
    expect(worst, `${tensor} of ${JSON.stringify(wanted)}`).toBeLessThan(bound);
  }
  plan.destroy();
}

/** Parts of 16 x 8 keep the kernels small: lavapipe takes long to compile many matrices. */
const subgroupTile = [16, 8] as const;
const shapes: readonly TensorCoreShape[] = [
  { subgroups: [2, 2], subgroupTile, tileK: 32, stages: 1 },
  { subgroups: [2, 2], subgroupTile, tileK: 32, stages: 2 },
  { subgroups: [1, 4], subgroupTile: [8, 8], tileK: 64, stages: 1 },
  { subgroups: [2, 4], subgroupTile, tileK: 32, stages: 2 },
  { subgroups: [4, 2], subgroupTile: [8, 16], tileK: 16, stages: 2 },
  { subgroups: [4, 1], subgroupTile: [8, 8], tileK: 64, stages: 2 },
];
const describeShape = ({ subgroups, tileK, stages }: TensorCoreShape) =>
  `${subgroups.join('x')} subgroups, k by ${tileK}, ${stages} stage(s)`;

describe.runIf(own.capabilities.level === 'matrix')('matmuls on tensor cores', () => {
  for (const shape of shapes)
    it(`agree with float64 in every layout: ${describeShape(shape)}`, async () => {
      const random = new TestRandom(1);
      for (const [transposeA, transposeB] of layouts) {
        // No multiple of a tile, and a last step over k that is not full.
        const sizes = { batch: 2, m: 72, n: 88, k: 104, transposeA, transposeB };
        await check(random, { sizes, shape, follows: {}, dtype: 'f32' });
      }
    });

  it('take fewer steps of k than there are stages', async () => {
    const random = new TestRandom(2);
    for (const shape of shapes.slice(0, 2)) {
      const sizes = { batch: 1, m: 8, n: 8, k: 8, transposeA: false, transposeB: true };
      await check(random, { sizes, shape, follows: {}, dtype: 'f16' });
    }
  });

  const epilogues: readonly (readonly [string, Case['follows']])[] = [
    ['nothing', {}],
    ['a bias', { bias: true }],
    [
      'a bias and an activation, and keep what was before',
      { bias: true, activation: 'quickGelu', preactivation: true },
    ],
    ['a residual', { bias: true, residual: true }],
    ['the gradient of an activation', { activationGradient: true }],
  ];
  for (const [name, follows] of epilogues)
    it(`finish float16 results with ${name}, for K from 64 to 4096`, async () => {
      const random = new TestRandom(3);
      for (const k of [64, 232, 1024, 4096])
        await check(random, {
          sizes: { batch: 1, m: 33, n: 40, k, transposeA: false, transposeB: true },
          shape: shapes[0]!,
          follows,
          dtype: 'f16',
        });
    });

  it('round float32 operands where the problem says so', async () => {
    const random = new TestRandom(4);
    for (const [transposeA, transposeB] of layouts)
      for (const operands of [
        ['f32', 'f16'],
        ['f16', 'f32'],
      ] as const) {
        const sizes = { batch: 2, m: 40, n: 72, k: 72, transposeA, transposeB };
        const shape = shapes[4]!;
        await check(random, { sizes, shape, follows: {}, rounded: true, dtype: 'f16' }, operands);
      }
  });

  it('give an infinity or NaN where a float32 operand is beyond float16, as loss scaling looks for', async () => {
    const sizes = { batch: 1, m: 8, n: 8, k: 8, transposeA: false, transposeB: true };
    const a = constant(
      Float32Array.from({ length: 64 }, (_, at) => (at === 11 ? 1e6 : 1)),
      [1, 8, 8],
      'a',
    );
    const b = constant(toHalf(new Float32Array(64).fill(1)), [1, 8, 8], 'b');
    const attributes = {
      sizes,
      shape: shapes[4]!,
      follows: {},
      rounded: true,
      dtype: 'f32',
      inputs: ['a', 'b'],
    };
    const c = call(op, [a, b], attributes as Case & { inputs: Names[] });
    const plan = await Plan.compile(gpu, { outputs: [c] });
    plan.run();
    const found = await plan.read(c);
    plan.destroy();
    expect(Array.from({ length: 8 }, (_, row) => Number.isFinite(found[8 * row]))).toEqual(
      Array.from({ length: 8 }, (_, row) => row !== 1),
    );
  });
});
