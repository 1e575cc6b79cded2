/**
 * Reverse-mode differentiation as a graph transformation: gradients are new nodes.
 * Only nodes on a path from a parameter to the loss are visited, so frozen weights never get a gradient
 * and nothing is computed below the first parameter.
 */
import { topologicalOrder } from './graph.js';
import { add } from './ops/add.js';
import { constant, type GraphNode, type Tensor } from './tensor.js';

/**
 * Gradients of a scalar `loss` (shape `[1]`) with respect to `parameters`, one tensor each of the parameter's shape.
 * @throws Error when the loss is no scalar, an operation on the path has no gradient rule, or a parameter does not
 * reach the loss
 */
export function grad(loss: Tensor, parameters: readonly Tensor[]): Tensor[] {
  if (loss.size !== 1) throw new Error(`grad needs a scalar loss, not ${loss}`);
  const order = topologicalOrder([loss]);
  const reaches = new Set<Tensor>(parameters);
  const path: GraphNode[] = [];
  for (const node of order)
    if (node.inputs.some((input) => reaches.has(input))) {
      path.push(node);
      for (const output of node.outputs) reaches.add(output);
    }

  const gradients = new Map<Tensor, Tensor>();
  gradients.set(loss, constant(Float32Array.of(1), loss.shape, 'one'));
  for (const node of path.reverse()) {
    const incoming = node.outputs.map((output) => gradients.get(output));
    if (incoming.every((g) => g === undefined)) continue;
    if (!node.op.gradient) throw new Error(`${node.op.name} has no gradient rule`);
    const wanted = node.inputs.map((input) => reaches.has(input));
    node.op.gradient(node, incoming, wanted).forEach((gradient, i) => {
      if (!gradient || !wanted[i]) return;
      const target = node.inputs[i]!;
      const sum = gradients.get(target);
      gradients.set(target, sum ? add(sum, gradient) : gradient);
    });
  }
  return parameters.map((parameter) => {
    const gradient = gradients.get(parameter);
    if (!gradient) throw new Error(`${parameter} does not reach the loss`);
    return gradient;
  });
}
