/** What a product kernel is checked with: a product of the same kind, small and odd, and its results in float64. */
import type { Constant, Dispatch } from '../../graph/dispatch.js';
import type { Values } from '../../graph/tensor.js';
import { type Shape, Tensor } from '../../graph/tensor.js';
import type { Expected, Trial } from '../../graph/tunable.js';
import { activationDerivative, activationValue, STEEPEST } from '../activations.js';
import { largestOf, summationError, ULP } from '../tolerance.js';
import { multiplyMatrices, type Product } from './launch.js';

/**
 * A size that is odd where it may be: as divisible by powers of two as `size`, as kernels tell apart what their vectors and steps
 * divide, and no multiple of anything larger.
 */
function small(size: number, near: number): number {
  const power = Math.min(64, size & -size);
  const count = Math.max(1, Math.round(near / power));
  return Math.min(size, power * (count % 2 === 0 ? count + 1 : count));
}

/**
 * The same kind of product: more than one tile in each direction, more than two steps over k.
 *
 * @param dispatch of the kernel that is tried, for the edges of its tile
 */
export function smallProduct(product: Product, dispatch?: Dispatch): Product {
  const { a, b, c, sizes, epilogue } = product;
  const { TILE, TILE_M = TILE, TILE_N = TILE } = dispatch?.constants ?? {};
  const beyond = (edge: Constant | undefined, least: number) => Math.max(least, Number(edge ?? 0) + 3);
  const batch = Math.min(sizes.batch, 2);
  const m = small(sizes.m, beyond(TILE_M, 131));
  const n = small(sizes.n, beyond(TILE_N, 197));
  // Where there are few rows many invocations share k, so that two of their steps take this much.
  const k = small(sizes.k, sizes.m <= 16 ? 2100 : 190);
  const like = (tensor: Tensor, shape: Shape) => new Tensor(shape, tensor.dtype, tensor.label);
  const result = (tensor: Tensor | undefined) => tensor && like(tensor, [batch, m, n]);
  const { bias, pre, residual, slope } = epilogue;
  return {
    ...product,
    a: like(a, sizes.transposeA ? [batch, k, m] : [batch, m, k]),
    b: like(b, sizes.transposeB ? [batch, n, k] : [batch, k, n]),
    c: like(c, [batch, m, n]),
    sizes: { ...sizes, batch, m, n, k },
    epilogue: {
      ...epilogue,
      bias: bias && like(bias, [n]),
      pre: result(pre),
      residual: result(residual),
      slope: slope && { ...slope, pre: like(slope.pre, [batch, m, n]) },
    },
  };
}

/** The largest Euclidean length of the vectors along k in `batch` matrices; `across`: k is not their last axis. */
function longest(x: Values, batch: number, k: number, across: boolean): number {
  const count = x.length / k / batch;
  let largest = 0;
  for (let z = 0; z < batch; z++)
    for (let i = 0; i < count; i++) {
      let square = 0;
      for (let l = 0; l < k; l++) square += x[z * count * k + (across ? l * count + i : i * k + l)]! ** 2;
      largest = Math.max(largest, square);
    }
  return Math.sqrt(largest);
}

/** @param dispatch a launch that computes `product` */
export function productTrial(product: Product, dispatch: Dispatch): Trial {
  const { a, b, c, sizes, epilogue } = product;
  const { bias, pre, residual, slope, activation } = epilogue;
  const inputs = [a, b, bias, residual, slope?.pre].filter((tensor) => tensor !== undefined);
  return {
    dispatches: [dispatch],
    inputs: [...new Set(inputs)],
    rounded: product.rounded ? [a, b].filter(({ dtype }) => dtype === 'f32') : [],
    expected: (inputOf) => {
      const add = (to: Values, from: Tensor | undefined) => {
        const terms = from && inputOf(from);
        if (terms) for (let i = 0; i < to.length; i++) to[i]! += terms[i % terms.length]!;
      };
      const sums = multiplyMatrices(inputOf(a), inputOf(b), sizes);
      add(sums, bias);
      const results = slope
        ? sums.map((x, i) => x * activationDerivative(inputOf(slope.pre)[i]!, slope.activation))
        : sums.map((x) => (activation ? activationValue(x, activation) : x));
      add(results, residual);
      // No sum of absolute values exceeds the product of two lengths; derivatives of the activations stay below STEEPEST.
      const { batch, k, transposeA, transposeB } = sizes;
      const lengths = longest(inputOf(a), batch, k, transposeA) * longest(inputOf(b), batch, k, !transposeB);
      const terms = STEEPEST * lengths + 2;
      const rounding = summationError(sizes.k, terms);
      const expect = (values: Values, { dtype }: Tensor): Expected => ({
        values,
        tolerance: ULP[dtype] * largestOf(values) + rounding,
      });
      return new Map([[c, expect(results, c)], ...(pre ? [[pre, expect(sums, pre)] as const] : [])]);
    },
  };
}
