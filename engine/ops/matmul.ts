/** C = A B, batched over leading axes, with either operand transposed. */
import { type Constant, call, type Dispatch, type Op, type Operand, type Values } from '../op.js';
import { type DType, type Shape, sameShape, sizeOf, type Tensor } from '../tensor.js';
import { type Activation, slopeOf } from './activation.js';
import { misfit } from './shape.js';

export interface MatmulSizes {
  readonly batch: number;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly transposeA: boolean;
  readonly transposeB: boolean;
}

/** What follows the product before it is stored. */
export interface Epilogue {
  readonly bias?: Tensor;
  readonly activation?: Activation;
  /** Also stores the value before the activation, for the backward pass. */
  readonly pre?: Tensor;
  /** Added at the end; of the result's shape. */
  readonly residual?: Tensor;
  /** Instead of `activation`: multiplies by its derivative at these values, which the activation was given before. */
  readonly slope?: { readonly pre: Tensor; readonly activation: Activation };
}

/**
 * Results an invocation: 8 x 8 keeps loads few, but small products need more invocations than that gives.
 * Thresholds are the number of 8 x 8 (4 x 4) tiles below which a two-core software adapter has idle lanes.
 */
function tileSize({ batch, m, n }: MatmulSizes): number {
  const tiles = (t: number) => batch * Math.ceil(m / t) * Math.ceil(n / t);
  if (tiles(8) >= 128) return 8;
  return tiles(4) >= 64 ? 4 : 2;
}

/** The launch that computes a product; shared by `matmul` and `linear`. */
export function matmulDispatch(
  a: Tensor,
  b: Tensor,
  c: Tensor,
  sizes: MatmulSizes,
  epilogue: Epilogue = {},
): Dispatch {
  const { batch, m, n, k, transposeA, transposeB } = sizes;
  const { bias, pre, residual, slope } = epilogue;
  const activation = slope?.activation ?? epilogue.activation;
  const tile = tileSize(sizes);
  const quads = n % 4 === 0;
  const dots = !transposeA && transposeB && k % 4 === 0;
  const rows = !transposeB && quads;
  const tileN = Math.max(4, tile);
  const vec4 = (tensor: Tensor): Operand => ({ tensor, as: 'vec4' });
  const like = (tensor: Tensor): Operand => (quads ? vec4(tensor) : tensor);
  const constants: Record<string, Constant> = {
    BATCH: batch,
    M: m,
    N: n,
    K: k,
    TILE_M: tile,
    TILE_N: tileN,
    VECTORS_N: tileN / 4,
    A_TRANSPOSED: transposeA,
    B_TRANSPOSED: transposeB,
    DOTS: dots,
    ROWS: rows,
    SCALAR: !dots && !rows,
    QUADS: quads,
    RESIDUAL: residual !== undefined,
    SLOPE: slope !== undefined,
    HAS_BIAS: bias !== undefined,
    STORE_PRE: pre !== undefined,
    QUICK_GELU: activation === 'quickGelu',
    GELU: activation === 'gelu',
    RELU: activation === 'relu',
    IDENTITY: activation === undefined,
  };
  return {
    shader: 'matmul',
    constants,
    reads: {
      a: dots ? vec4(a) : a,
      b: dots || rows ? vec4(b) : b,
      ...(bias && { bias: like(bias) }),
      ...(residual && { residual: like(residual) }),
      ...(slope && { slope: like(slope.pre) }),
    },
    writes: { c: like(c), ...(pre && { pre: like(pre) }) },
    workgroups: [Math.ceil(n / tileN / 8), Math.ceil(m / tile / 8), batch],
  };
}

/** A multiplication and an addition a term. */
export const productFlops = ({ batch, m, n, k }: MatmulSizes): number => 2 * batch * m * n * k;

/** The product in float64. */
export function multiplyMatrices(a: Values, b: Values, sizes: MatmulSizes): Values {
  const { batch, m, n, k, transposeA, transposeB } = sizes;
  const c = new Float64Array(batch * m * n);
  for (let z = 0; z < batch; z++)
    for (let i = 0; i < m; i++)
      for (let l = 0; l < k; l++) {
        const left = a[z * m * k + (transposeA ? l * m + i : i * k + l)]!;
        const row = (z * m + i) * n;
        for (let j = 0; j < n; j++)
          c[row + j]! += left * b[z * k * n + (transposeB ? j * k + l : l * n + j)]!;
      }
  return c;
}

interface Attributes extends MatmulSizes {
  readonly shape: Shape;
  readonly dtype: DType;
  /** Multiplies by the derivative of this activation at the third input. */
  readonly slope?: Activation;
}

const op: Op<Attributes> = {
  name: 'matmul',
  half: true,
  outputs: (_, { shape, dtype }) => [{ shape, dtype }],
  kernels: ({ inputs: [a, b, pre], outputs: [c], attributes }) => {
    const { slope } = attributes;
    const epilogue = slope && pre ? { slope: { pre, activation: slope } } : {};
    return [matmulDispatch(a!, b!, c!, attributes, epilogue)];
  },
  absorb: ({ inputs, attributes }, consumer, tail) => {
    const found = attributes.slope ? undefined : slopeOf(consumer, tail);
    return (
      found && {
        inputs: [...inputs, found.pre],
        attributes: { ...attributes, slope: found.activation },
        outputs: consumer.outputs,
      }
    );
  },
  gradient: ({ inputs: [a, b], attributes: { transposeA, transposeB } }, [dc], [wantA, wantB]) => [
    wantA
      ? transposeA
        ? matmul(b!, dc!, { transposeA: transposeB, transposeB: true, dtype: a!.dtype })
        : matmul(dc!, b!, { transposeB: !transposeB, dtype: a!.dtype })
      : undefined,
    wantB
      ? transposeB
        ? matmul(dc!, a!, { transposeA: true, transposeB: transposeA, dtype: b!.dtype })
        : matmul(a!, dc!, { transposeA: !transposeA, dtype: b!.dtype })
      : undefined,
  ],
  flops: ({ attributes }) => productFlops(attributes),
  reference: ({ attributes }, [a, b]) => [multiplyMatrices(a!, b!, attributes)],
};

/**
 * `a` `[..., m, k]` times `b` `[..., k, n]` -> `[..., m, n]`; a transposed operand is stored with its last two axes
 * swapped. Leading axes must be equal. The result is float32 unless `dtype` says f16; sums are float32 in any case.
 */
export function matmul(
  a: Tensor,
  b: Tensor,
  options: { transposeA?: boolean; transposeB?: boolean; dtype?: DType } = {},
): Tensor {
  const { transposeA = false, transposeB = false, dtype = 'f32' } = options;
  const lead = a.shape.slice(0, -2);
  const [am, ak] = a.shape.slice(-2);
  const [bk, bn] = b.shape.slice(-2);
  const [m, k] = transposeA ? [ak!, am!] : [am!, ak!];
  const [inner, n] = transposeB ? [bn!, bk!] : [bk!, bn!];
  if (a.shape.length < 2 || b.shape.length < 2 || !sameShape(lead, b.shape.slice(0, -2)) || k !== inner)
    misfit('matmul', [a, b], 'the inner sizes and all leading axes must be equal');
  const shape = [...lead, m, n];
  return call(op, [a, b], { batch: sizeOf(lead), m, n, k, transposeA, transposeB, shape, dtype });
}
