/** y = a * b, where b may lack leading axes of a, or be a scalar of shape [1]. */
import { call, type Op } from '../graph/op.js';
import { sizeOf, type Tensor } from '../graph/tensor.js';
import { elementwise } from './elementwise.js';
import { example, examples } from './example.js';
import { sumLeading } from './reduce.js';
import { reshape } from './reshape.js';
import { isSuffix, misfit } from './shape.js';

const op: Op<null, [a: Tensor, b: Tensor], [y: Tensor]> = {
  name: 'multiply',
  outputs: ([a, b]) => {
    if (b.size !== 1 && !isSuffix(b.shape, a.shape))
      misfit('multiply', [a, b], "the second must be a scalar or have the first's last axes");
    return [{ shape: a.shape }];
  },
  kernels: ({ inputs: [a, b], outputs: [y] }) => [elementwise('multiply', a, b, y)],
  gradient: ({ inputs: [a, b] }, [dy], [wantA, wantB]) => [
    wantA ? multiply(dy, b) : undefined,
    wantB ? factorGradient(multiply(dy, a), b) : undefined,
  ],
  reference: (_, [a, b]) => [a.map((v, i) => v * b[i % b.length]!)],
};

/** Sums `products` `[..., ...b.shape]` down to the factor's shape; a scalar factor takes all of it. */
function factorGradient(products: Tensor, b: Tensor): Tensor {
  if (isSuffix(b.shape, products.shape)) return sumLeading(products, b.shape);
  return reshape(sumLeading(reshape(products, [sizeOf(products.shape), 1]), [1]), b.shape);
}

/** `a * b` element by element; `b` is a scalar `[1]` or has the last axes of `a`. */
export const multiply = (a: Tensor, b: Tensor): Tensor => call(op, [a, b], null);

/** Calls for the checks of kernels and shaders. */
export const multiplyExamples = examples(() => [
  example(
    'multiply',
    [
      [3, 5, 7],
      [5, 7],
    ],
    (a, b) => multiply(a, b),
  ),
  example('multiply by a scalar', [[3, 5], [1]], (a, b) => multiply(a, b)),
]);
