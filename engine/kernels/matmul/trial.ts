/** What a matmul kernel is checked with: a matmul of the same kind, small and odd, and its results in float64. */
import type { Constant, Dispatch } from '../../graph/dispatch.js';
import { type Shape, Tensor, type Values } from '../../graph/tensor.js';
import type { Expected, Trial } from '../../graph/tunable.js';
import { activationDerivative, activationValue, STEEPEST } from '../activations.js';
import { largestOf, summationError, ULP } from '../tolerance.js';
import type { MatmulProblem } from './launch.js';
import { matmulReference } from './reference.js';

/**
 * A size near `near` that is as divisible by powers of two as `size` (kernels differ in what their vectors and steps divide), and a
 * multiple of nothing larger.
 */
function oddSize(size: number, near: number): number {
  const power = Math.min(64, size & -size);
  const count = Math.max(1, Math.round(near / power));
  return Math.min(size, power * (count % 2 === 0 ? count + 1 : count));
}

/**
 * A matmul of the same kind with more than one tile in each direction and more than two steps over k.
 *
 * @param dispatch of the kernel that is tried, for the edges of its tile
 */
export function smallMatmul(problem: MatmulProblem, dispatch?: Dispatch): MatmulProblem {
  const { a, b, c, sizes, epilogue } = problem;
  const { TILE, TILE_M = TILE, TILE_N = TILE } = dispatch?.constants ?? {};
  const beyond = (edge: Constant | undefined, least: number) => Math.max(least, Number(edge ?? 0) + 3);
  const batch = Math.min(sizes.batch, 2);
  const m = oddSize(sizes.m, beyond(TILE_M, 131));
  const n = oddSize(sizes.n, beyond(TILE_N, 197));
  // Many invocations share k in the skinny kernel: this is two of their steps.
  const k = oddSize(sizes.k, sizes.m <= 16 ? 2100 : 190);
  const like = (tensor: Tensor, shape: Shape) => new Tensor(shape, tensor.dtype, tensor.label);
  const likeC = (tensor: Tensor | undefined) => tensor && like(tensor, [batch, m, n]);
  const { bias, preactivation, residual, activationGradient } = epilogue;
  return {
    ...problem,
    a: like(a, sizes.transposeA ? [batch, k, m] : [batch, m, k]),
    b: like(b, sizes.transposeB ? [batch, n, k] : [batch, k, n]),
    c: like(c, [batch, m, n]),
    sizes: { ...sizes, batch, m, n, k },
    epilogue: {
      ...epilogue,
      bias: bias && like(bias, [n]),
      preactivation: likeC(preactivation),
      residual: likeC(residual),
      activationGradient: activationGradient && {
        ...activationGradient,
        preactivation: like(activationGradient.preactivation, [batch, m, n]),
      },
    },
  };
}

/** The largest Euclidean length of the vectors along k in `batch` matrices; `kLast`: k is their last axis. */
function longest(x: Values, batch: number, k: number, kLast: boolean): number {
  const count = x.length / k / batch;
  let largest = 0;
  for (let z = 0; z < batch; z++)
    for (let i = 0; i < count; i++) {
      let square = 0;
      for (let l = 0; l < k; l++) square += x[z * count * k + (kLast ? i * k + l : l * count + i)]! ** 2;
      largest = Math.max(largest, square);
    }
  return Math.sqrt(largest);
}

/**
 * The check of a kernel.
 *
 * @param dispatch a launch that computes `problem`
 */
export function matmulTrial(problem: MatmulProblem, dispatch: Dispatch): Trial {
  const { a, b, c, sizes, epilogue } = problem;
  const { bias, preactivation, residual, activationGradient, activation } = epilogue;
  const inputs = [a, b, bias, residual, activationGradient?.preactivation].filter(
    (tensor) => tensor !== undefined,
  );
  return {
    dispatches: [dispatch],
    inputs: [...new Set(inputs)],
    rounded: problem.rounded ? [a, b].filter(({ dtype }) => dtype === 'f32') : [],
    expected: (inputOf) => {
      const add = (to: Values, from: Tensor | undefined) => {
        const terms = from && inputOf(from);
        if (terms) for (let i = 0; i < to.length; i++) to[i]! += terms[i % terms.length]!;
      };
      const sums = matmulReference(inputOf(a), inputOf(b), sizes);
      add(sums, bias);
      const saved = activationGradient && inputOf(activationGradient.preactivation);
      const results = saved
        ? sums.map((x, i) => x * activationDerivative(saved[i]!, activationGradient.activation))
        : sums.map((x) => (activation ? activationValue(x, activation) : x));
      add(results, residual);
      // No sum of absolute values exceeds the product of two lengths; derivatives of the activations stay below STEEPEST.
      const { batch, k, transposeA, transposeB } = sizes;
      const lengths = longest(inputOf(a), batch, k, !transposeA) * longest(inputOf(b), batch, k, transposeB);
      const terms = STEEPEST * lengths + 2;
      const rounding = summationError(sizes.k, terms);
      const expect = (values: Values, { dtype }: Tensor): Expected => ({
        values,
        tolerance: ULP[dtype] * largestOf(values) + rounding,
      });
      return new Map([
        [c, expect(results, c)],
        ...(preactivation ? [[preactivation, expect(sums, preactivation)] as const] : []),
      ]);
    },
  };
}
