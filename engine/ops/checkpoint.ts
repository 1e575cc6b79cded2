/** Marks what stays in memory when the backward pass recomputes the rest; otherwise nothing. */
import { call, nodeOf, type Op } from '../graph/op.js';
import type { Tensor } from '../graph/tensor.js';

const op: Op<null> = {
  name: 'keep',
  outputs: ([x]) => [{ shape: x!.shape, dtype: x!.dtype }],
  gradient: (_, [dy]) => [dy],
  reference: (_, [x]) => [x!],
};

/** `x` itself, as a place that recomputation starts from: the input of a transformer block, say. */
export const keep = (x: Tensor): Tensor => call(op, [x], null);

/** Whether `x` was made by `keep`. */
export const isKept = (x: Tensor): boolean => nodeOf(x)?.op === op;
