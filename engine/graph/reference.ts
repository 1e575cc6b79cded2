/** Evaluates a graph on the CPU in float64 with the operations' references, to check kernels against. */

import { fromHalf } from '../half.js';
import { type GraphNode, resultsOf } from './op.js';
import type { Tensor, Values } from './tensor.js';
import { recordingOrder } from './traverse.js';

/**
 * Values of `outputs`, and new values of the variables that `updates` change, given `feeds` for leaves (a leaf that is
 * not fed uses its own data).
 */
export function evaluate(
  outputs: readonly Tensor[],
  feeds: ReadonlyMap<Tensor, ArrayLike<number>> = new Map(),
  updates: readonly GraphNode[] = [],
): Map<Tensor, Values> {
  const values = new Map<Tensor, Values>();
  const resolve = (tensor: Tensor): Values => {
    let value = values.get(tensor);
    if (!value) {
      const data = feeds.get(tensor) ?? tensor.leaf?.data;
      if (!data) throw new Error(`${tensor} has no value`);
      value = Float64Array.from(
        data instanceof Uint16Array && tensor.dtype === 'f16' ? fromHalf(data) : data,
      );
      values.set(tensor, value);
    }
    return value;
  };
  const compute = (node: GraphNode) => {
    const results = node.op.reference(node, node.inputs.map(resolve));
    resultsOf(node).forEach((tensor, i) => {
      if (results[i]) values.set(tensor, results[i]);
    });
  };
  const order = recordingOrder(outputs, updates);
  for (const node of order) if (!node.op.mutates) compute(node);
  for (const tensor of outputs) resolve(tensor);
  for (const node of order) if (node.op.mutates) compute(node);
  return values;
}
