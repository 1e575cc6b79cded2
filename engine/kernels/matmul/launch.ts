/** A matmul and its epilogue, as every kernel of the family sees it. */
import { type Constant, type Dispatch, MAX_GROUPS, type Operand } from '../../graph/dispatch.js';
import type { Tensor } from '../../graph/tensor.js';
import { type Activation, activationConstant } from '../activations.js';
import { bindsSizesOnCpu } from './cpu/uniforms.js';

/** C `[batch, m, n]` = A `[batch, m, k]` times B `[batch, k, n]`. */
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

/** What a kernel does with the sums before it stores them: `act(A B + bias) + residual`. */
export interface Epilogue {
  /** `[n]` */
  readonly bias?: Tensor;
  readonly activation?: Activation;
  /** `[batch, m, n]`: where the value before the activation is stored too, for the backward pass. */
  readonly preactivation?: Tensor;
  /** `[batch, m, n]`, added at the end. */
  readonly residual?: Tensor;
  /** Instead of `activation`: multiplies by its derivative at the preactivation `[batch, m, n]` that the forward pass stored. */
  readonly activationGradient?: { readonly preactivation: Tensor; readonly activation: Activation };
}

/** A matmul between tensors: C = A B, and the epilogue. */
export interface MatmulProblem {
  readonly a: Tensor;
  readonly b: Tensor;
  readonly c: Tensor;
  readonly sizes: MatmulSizes;
  readonly epilogue: Epilogue;
  /** Tensor cores may round float32 operands to float16. */
  readonly rounded?: boolean;
}

/** Floating-point operations: a multiplication and an addition a term. */
export const matmulFlops = ({ batch, m, n, k }: MatmulSizes): number => 2 * batch * m * n * k;

/** What each kernel of the family decides for itself. */
export interface TileChoice {
  /** Rows and columns of C that one workgroup computes. */
  readonly tileM: number;
  readonly tileN: number;
  /** Rows of tiles that workgroups finish before they begin the next ones, so that caches hold what neighbours read. */
  readonly band: number;
  readonly constants: Readonly<Record<string, Constant>>;
  /** Whether A and B are bound four elements at a time along their last axis. */
  readonly vectorA: boolean;
  readonly vectorB: boolean;
}

/** How many tiles of `tileM` x `tileN` cover C. */
export const tilesOf = ({ batch, m, n }: MatmulSizes, tileM: number, tileN: number): number =>
  batch * Math.ceil(m / tileM) * Math.ceil(n / tileN);

/** The launch of a kernel of the family: its own constants, and those of matmul_epilogue.wgsl. */
export function matmulDispatch(shader: string, problem: MatmulProblem, choice: TileChoice): Dispatch {
  const { a, b, c, sizes, epilogue } = problem;
  const { batch, m, n, k, transposeA, transposeB } = sizes;
  const { bias, preactivation, residual, activationGradient } = epilogue;
  const activation = activationGradient?.activation ?? epilogue.activation;
  const vectorC = n % 4 === 0;
  const vec4 = (tensor: Tensor): Operand => ({ tensor, as: 'vec4' });
  const likeC = (tensor: Tensor): Operand => (vectorC ? vec4(tensor) : tensor);
  const tiles = tilesOf(sizes, choice.tileM, choice.tileN);
  const gridY = Math.ceil(tiles / MAX_GROUPS);
  const gridX = Math.ceil(tiles / gridY);
  return {
    shader,
    constants: {
      A_TRANSPOSED: transposeA,
      B_TRANSPOSED: transposeB,
      BAND: choice.band,
      SURPLUS_WORKGROUPS: gridX * gridY !== tiles,
      VECTOR_C: vectorC,
      RESIDUAL: residual !== undefined,
      ACTIVATION_GRADIENT: activationGradient !== undefined,
      HAS_BIAS: bias !== undefined,
      STORE_PREACTIVATION: preactivation !== undefined,
      ACTIVATION: activationConstant(activation),
      ...choice.constants,
    },
    uniformOnCpu: bindsSizesOnCpu(activation),
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
      ...(bias && { bias: likeC(bias) }),
      ...(residual && { residual: likeC(residual) }),
      ...(activationGradient && { saved_preactivation: likeC(activationGradient.preactivation) }),
    },
    writes: { c: likeC(c), ...(preactivation && { preactivation: likeC(preactivation) }) },
    workgroups: [gridX, gridY, 1],
  };
}
