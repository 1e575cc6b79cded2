/** A matrix product and what follows it, as every kernel of the family sees it. */

import { type Constant, type Dispatch, MAX_GROUPS, type Operand } from '../../graph/dispatch.js';
import type { Tensor, Values } from '../../graph/tensor.js';
import { type Activation, activationConstant } from '../activations.js';

export interface MatmulSizes {
  readonly batch: number;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  /** A is stored `[batch, k, m]`. */
  readonly transposeA: boolean;
  /** B is stored `[batch, n, k]`. */
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

/** C = A B with an epilogue, between tensors. */
export interface Product {
  readonly a: Tensor;
  readonly b: Tensor;
  readonly c: Tensor;
  readonly sizes: MatmulSizes;
  readonly epilogue: Epilogue;
  /** Operands in float32 may be rounded to float16, where the kernel multiplies those alone. */
  readonly rounded?: boolean;
}

/** A multiplication and an addition a term. */
export const productFlops = ({ batch, m, n, k }: MatmulSizes): number => 2 * batch * m * n * k;

/** The product in float64. */
export function multiplyMatrices(a: Values, b: Values, sizes: MatmulSizes): Values {
  const { batch, m, n, k, transposeA, transposeB } = sizes;
  const c = new Float64Array(batch * m * n);
  for (let z = 0; z < batch; z++)
    for (let i = 0; i < m; i++) {
      // Along k where B lies along it, else along n: the memory of B is read in its order.
      if (transposeB) {
        for (let j = 0; j < n; j++) {
          const column = (z * n + j) * k;
          let sum = 0;
          for (let l = 0; l < k; l++)
            sum += a[z * m * k + (transposeA ? l * m + i : i * k + l)]! * b[column + l]!;
          c[(z * m + i) * n + j] = sum;
        }
        continue;
      }
      for (let l = 0; l < k; l++) {
        const left = a[z * m * k + (transposeA ? l * m + i : i * k + l)]!;
        const row = (z * m + i) * n;
        for (let j = 0; j < n; j++) c[row + j]! += left * b[z * k * n + l * n + j]!;
      }
    }
  return c;
}

/** What a kernel of the family decides for itself. */
export interface TileChoice {
  /** Rows and columns of C that one workgroup computes. */
  readonly tileM: number;
  readonly tileN: number;
  /** Rows of tiles that are finished before the next ones begin. */
  readonly band: number;
  readonly constants: Readonly<Record<string, Constant>>;
  /** Whether A and B are bound four elements at a time along their last axis. */
  readonly vectorA: boolean;
  readonly vectorB: boolean;
}

export const tilesOf = ({ batch, m, n }: MatmulSizes, tileM: number, tileN: number): number =>
  batch * Math.ceil(m / tileM) * Math.ceil(n / tileN);

/** The launch of a kernel of the family: its own constants and those of matmul_epilogue.wgsl. */
export function productDispatch(shader: string, product: Product, choice: TileChoice): Dispatch {
  const { a, b, c, sizes, epilogue } = product;
  const { batch, m, n, k, transposeA, transposeB } = sizes;
  const { bias, pre, residual, slope } = epilogue;
  const activation = slope?.activation ?? epilogue.activation;
  const quads = n % 4 === 0;
  const vec4 = (tensor: Tensor): Operand => ({ tensor, as: 'vec4' });
  const like = (tensor: Tensor): Operand => (quads ? vec4(tensor) : tensor);
  const tiles = tilesOf(sizes, choice.tileM, choice.tileN);
  const folds = Math.ceil(tiles / MAX_GROUPS);
  const gridX = Math.ceil(tiles / folds);
  return {
    shader,
    constants: {
      A_TRANSPOSED: transposeA,
      B_TRANSPOSED: transposeB,
      BAND: choice.band,
      FOLDED: gridX * folds !== tiles,
      QUADS: quads,
      RESIDUAL: residual !== undefined,
      SLOPE: slope !== undefined,
      HAS_BIAS: bias !== undefined,
      STORE_PRE: pre !== undefined,
      ACTIVATION: activationConstant(activation),
      ...choice.constants,
    },
    // With an activation lavapipe takes 1.09 times as long, without one 0.87 to 1.03 times.
    uniformOnCpu: activation === undefined,
    uniforms: {
      BATCH: batch,
      M: m,
      N: n,
      K: k,
      TILES_M: Math.ceil(m / choice.tileM),
      TILES_N: Math.ceil(n / choice.tileN),
      GRID_X: gridX,
    },
    reads: {
      a: choice.vectorA ? vec4(a) : a,
      b: choice.vectorB ? vec4(b) : b,
      ...(bias && { bias: like(bias) }),
      ...(residual && { residual: like(residual) }),
      ...(slope && { slope: like(slope.pre) }),
    },
    writes: { c: like(c), ...(pre && { pre: like(pre) }) },
    workgroups: [gridX, folds, 1],
  };
}
