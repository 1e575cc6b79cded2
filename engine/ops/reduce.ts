/** Sums: over leading axes, over everything, over the last axis. */
import { call, type Op } from '../graph/op.js';
import { type Shape, sizeOf, type Tensor } from '../graph/tensor.js';
import { broadcastTo } from './broadcast.js';
import { example, examples } from './example.js';
import { sumOver } from './rows.js';
import { isSuffix, misfit, rowsOf } from './shape.js';

interface Attributes {
  /** The input seen as `[outer, reduced, inner]`; the middle axis is summed. */
  readonly outer: number;
  readonly reduced: number;
  readonly inner: number;
  readonly shape: Shape;
}

const op: Op<Attributes, [x: Tensor], [y: Tensor]> = {
  name: 'sum',
  outputs: (_, { shape }) => [{ shape }],
  kernels: ({ inputs: [x], outputs: [y], attributes: { outer, reduced, inner } }) => [
    sumOver(x, y, outer, reduced, inner),
  ],
  gradient: ({ inputs: [x], attributes }, [dy]) => [broadcastTo(dy, x.shape, attributes)],
  reference: ({ attributes: { outer, reduced, inner } }, [x]) => {
    const y = new Float64Array(outer * inner);
    for (let o = 0; o < outer; o++)
      for (let r = 0; r < reduced; r++)
        for (let i = 0; i < inner; i++) y[o * inner + i]! += x[(o * reduced + r) * inner + i]!;
    return [y];
  },
};

/** Sum of `x` over the leading axes that `shape` lacks; `x` itself when it has that shape already. */
export function sumLeading(x: Tensor, shape: Shape): Tensor {
  if (!isSuffix(shape, x.shape)) misfit('sumLeading', [x], `[${shape.join(', ')}] must be its last axes`);
  const inner = sizeOf(shape);
  if (inner === x.size && shape.length === x.shape.length) return x;
  return call(op, [x], { outer: 1, reduced: x.size / inner, inner, shape });
}

/** Sum of all elements, shape `[1]`. */
export const sum = (x: Tensor): Tensor => call(op, [x], { outer: 1, reduced: x.size, inner: 1, shape: [1] });

/** Sum over the last axis: `[..., n]` -> `[...]`. */
export function sumLast(x: Tensor): Tensor {
  const { rows, width } = rowsOf(x.shape);
  const shape = x.shape.length > 1 ? x.shape.slice(0, -1) : [1];
  return call(op, [x], { outer: rows, reduced: width, inner: 1, shape });
}

/** Calls for the checks of kernels and shaders. */
export const reduceExamples = examples(() => [
  example('sumLast', [[3, 5, 7]], (x) => sumLast(x)),
  example('sumLeading', [[3, 5, 7]], (x) => sumLeading(x, [7])),
  example('sum of many', [[300]], (x) => sum(x)),
]);
