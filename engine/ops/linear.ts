/** y = activation(x W^T + b), as PyTorch's Linear stores W: [outputs, inputs]. */
import { type Op, record } from '../graph/op.js';
import type { DType, Tensor } from '../graph/tensor.js';
import { ACTIVATIONS, type Activation, activationValue } from '../kernels/activations.js';
import { chooseMatmul } from '../kernels/matmul/candidates.js';
import { type MatmulSizes, matmulFlops } from '../kernels/matmul/launch.js';
import { matmulReference } from '../kernels/matmul/reference.js';
import { activationGradient } from './activation.js';
import { otherTerm } from './add.js';
import { cast } from './cast.js';
import { example, examples } from './example.js';
import { matmul } from './matmul.js';
import { sumLeading } from './reduce.js';
import { reshape } from './reshape.js';
import { misfit, rowsOf } from './shape.js';

interface Attributes {
  readonly activation?: Activation;
  /** How the results are stored. */
  readonly dtype: DType;
  /** The last input is added to the result. */
  readonly residual?: boolean;
}

function sizesOf(x: Tensor, weight: Tensor): MatmulSizes {
  const { rows, width } = rowsOf(x.shape);
  return { batch: 1, m: rows, n: weight.shape[0]!, k: width, transposeA: false, transposeB: true };
}

type Outputs = [y: Tensor, preactivation: Tensor];
const op: Op<Attributes, [x: Tensor, weight: Tensor, ...rest: Tensor[]], Outputs> = {
  name: 'linear',
  half: true,
  // Output 1 is the value before the activation; stored only when a gradient reads it.
  outputs: ([x, weight, bias], { dtype }) => {
    const [n, k] = weight.shape;
    if (weight.shape.length !== 2 || x.shape[x.shape.length - 1] !== k || (bias && bias.size !== n))
      misfit('linear', [x, weight, bias], 'the weight is [outputs, inputs], x is [..., inputs]');
    const shape = [...x.shape.slice(0, -1), n!];
    return [
      { shape, dtype },
      { shape, dtype },
    ];
  },
  kernels: (
    { inputs: [x, weight, ...rest], outputs: [y, preactivation], attributes: { activation, residual } },
    context,
  ) => {
    const epilogue = {
      bias: residual ? rest.at(-2) : rest[0],
      activation,
      preactivation: context.used[1] ? preactivation : undefined,
      residual: residual ? rest.at(-1) : undefined,
    };
    const sizes = sizesOf(x, weight);
    return [chooseMatmul({ a: x, b: weight, c: y, sizes, epilogue }, context)];
  },
  absorb: ({ inputs, attributes, outputs: [, preactivation] }, consumer, tail) => {
    const residual = attributes.residual ? undefined : otherTerm(consumer, tail);
    return (
      residual && {
        inputs: [...inputs, residual],
        attributes: { ...attributes, residual: true },
        outputs: [consumer.outputs[0]!, preactivation],
      }
    );
  },
  gradient: (
    { inputs: [x, weight, bias], outputs: [, preactivation], attributes: { activation } },
    [dy],
    [wantX, wantWeight, wantBias],
  ) => {
    const n = weight.shape[0]!;
    const { rows, width } = rowsOf(x.shape);
    const dPreactivation = reshape(activation ? activationGradient(preactivation, dy!, activation) : dy!, [
      rows,
      n,
    ]);
    // The residual stream's gradient is float32. A layer in float16 may round it, so that the backward pass runs on tensor cores too.
    const rounded = x.dtype === 'f16' && weight.dtype === 'f16';
    return [
      wantX ? reshape(matmul(dPreactivation, weight, { dtype: x.dtype, rounded }), x.shape) : undefined,
      wantWeight
        ? matmul(dPreactivation, reshape(x, [rows, width]), { transposeA: true, dtype: weight.dtype })
        : undefined,
      wantBias ? sumLeading(cast(dPreactivation, bias!.dtype), bias!.shape) : undefined,
    ];
  },
  flops: ({ inputs: [x, weight] }) => matmulFlops(sizesOf(x, weight)),
  reference: ({ inputs, attributes: { activation } }, [x, weight, bias]) => {
    const preactivation = matmulReference(x, weight, sizesOf(inputs[0], inputs[1]));
    if (bias) for (let i = 0; i < preactivation.length; i++) preactivation[i]! += bias[i % bias.length]!;
    return [
      activation ? preactivation.map((v) => activationValue(v, activation)) : preactivation,
      preactivation,
    ];
  },
};

/**
 * `x` `[..., inputs]`, `weight` `[outputs, inputs]`, `bias` `[outputs]` -> `[..., outputs]`.
 * The activation is computed in the matmul's own kernel. The result is float32 unless `dtype` says f16.
 */
export function linear(
  x: Tensor,
  weight: Tensor,
  bias?: Tensor,
  { activation, dtype = 'f32' }: { activation?: Activation; dtype?: DType } = {},
): Tensor {
  return record(op, bias ? [x, weight, bias] : [x, weight], { activation, dtype }).outputs[0];
}

/** Calls for the checks of kernels and shaders. */
export const linearExamples = examples(() => [
  ...[undefined, ...ACTIVATIONS].flatMap((activation) => [
    example(`linear ${activation}`, [[5, 12], [8, 12], [8]], (x, w, b) => linear(x, w, b, { activation })),
    example(
      `linear without bias ${activation}`,
      [
        [5, 9],
        [7, 9],
      ],
      (x, w) => linear(x, w, undefined, { activation }),
    ),
  ]),
  ...ACTIVATIONS.map((activation) =>
    example(`linear ${activation} in float16`, [[5, 12], [8, 12], [8]], (x, w, b) =>
      cast(linear(cast(x, 'f16'), cast(w, 'f16'), b, { activation, dtype: 'f16' }), 'f32'),
    ),
  ),
]);
