/** C = A B, batched over leading axes, with either operand transposed. */
import { call, type Op } from '../graph/op.js';
import { type DType, type Shape, sameShape, sizeOf, type Tensor } from '../graph/tensor.js';
import type { Activation } from '../kernels/activations.js';
import { chooseMatmul } from '../kernels/matmul/candidates.js';
import { type MatmulSizes, matmulFlops } from '../kernels/matmul/launch.js';
import { matmulReference } from '../kernels/matmul/reference.js';
import { gradientParts } from './activation.js';
import { cast } from './cast.js';
import { example, examples, PAIRS } from './example.js';
import { misfit } from './shape.js';

interface Attributes extends MatmulSizes {
  readonly shape: Shape;
  readonly dtype: DType;
  /** Multiplies by the derivative of this activation at the third input. */
  readonly activationGradient?: Activation;
  /** An operand in float32 may be rounded to float16. */
  readonly rounded?: boolean;
}

const op: Op<Attributes, [a: Tensor, b: Tensor, ...preactivation: Tensor[]], [c: Tensor]> = {
  name: 'matmul',
  half: true,
  outputs: (_, { shape, dtype }) => [{ shape, dtype }],
  kernels: ({ inputs: [a, b, preactivation], outputs: [c], attributes }, context) => {
    const { activationGradient, rounded } = attributes;
    const epilogue =
      activationGradient && preactivation
        ? { activationGradient: { preactivation, activation: activationGradient } }
        : {};
    return [chooseMatmul({ a, b, c, sizes: attributes, epilogue, rounded }, context)];
  },
  absorb: ({ inputs, attributes }, consumer, tail) => {
    const found = attributes.activationGradient ? undefined : gradientParts(consumer, tail);
    return (
      found && {
        inputs: [...inputs, found.preactivation],
        attributes: { ...attributes, activationGradient: found.activation },
        outputs: [consumer.outputs[0]!],
      }
    );
  },
  gradient: ({ inputs: [a, b], attributes: { transposeA, transposeB } }, [dc], [wantA, wantB]) => [
    wantA
      ? transposeA
        ? matmul(b, dc, { transposeA: transposeB, transposeB: true, dtype: a.dtype })
        : matmul(dc, b, { transposeB: !transposeB, dtype: a.dtype })
      : undefined,
    wantB
      ? transposeB
        ? matmul(dc, a, { transposeA: true, transposeB: transposeA, dtype: b.dtype })
        : matmul(a, dc, { transposeA: !transposeA, dtype: b.dtype })
      : undefined,
  ],
  flops: ({ attributes }) => matmulFlops(attributes),
  reference: ({ attributes }, [a, b]) => [matmulReference(a, b, attributes)],
};

/**
 * `a` `[..., m, k]` times `b` `[..., k, n]` -> `[..., m, n]`; a transposed operand is stored with its last two axes
 * swapped. Leading axes must be equal. The result is float32 unless `dtype` says f16; sums are float32 in any case.
 * With `rounded`, a float32 operand may be rounded to float16, the only type that tensor cores take.
 */
export function matmul(
  a: Tensor,
  b: Tensor,
  options: { transposeA?: boolean; transposeB?: boolean; dtype?: DType; rounded?: boolean } = {},
): Tensor {
  const { transposeA = false, transposeB = false, dtype = 'f32' } = options;
  const lead = a.shape.slice(0, -2);
  const [am, ak] = a.shape.slice(-2) as [number, number];
  const [bk, bn] = b.shape.slice(-2) as [number, number];
  const [m, k] = transposeA ? [ak, am] : [am, ak];
  const [inner, n] = transposeB ? [bn, bk] : [bk, bn];
  if (a.shape.length < 2 || b.shape.length < 2 || !sameShape(lead, b.shape.slice(0, -2)) || k !== inner)
    misfit('matmul', [a, b], 'the inner sizes and all leading axes must be equal');
  const shape = [...lead, m, n];
  // Without a float32 operand the flag changes nothing; leaving it out keeps one kernel choice for both.
  const rounded = options.rounded && (a.dtype === 'f32' || b.dtype === 'f32') ? true : undefined;
  return call(op, [a, b], { batch: sizeOf(lead), m, n, k, transposeA, transposeB, shape, dtype, rounded });
}

/** Calls for the checks of kernels and shaders. */
export const matmulExamples = examples(() =>
  PAIRS.flatMap(([transposeA, transposeB]) => {
    const shapes = (m: number, n: number, k: number) =>
      [transposeA ? [2, k, m] : [2, m, k], transposeB ? [2, n, k] : [2, k, n]] as const;
    return [
      ...(
        [
          [5, 7, 9],
          [33, 36, 40],
        ] as const
      ).map(([m, n, k]) =>
        example(`matmul ${m} ${transposeA} ${transposeB}`, shapes(m, n, k), (a, b) =>
          matmul(a, b, { transposeA, transposeB }),
        ),
      ),
      example(`matmul ${transposeA} ${transposeB} in float16`, shapes(32, 36, 40), (a, b) =>
        cast(matmul(cast(a, 'f16'), cast(b, 'f16'), { transposeA, transposeB, dtype: 'f16' }), 'f32'),
      ),
    ];
  }),
);
