/** Walks over the recorded graph. */
import type { GraphNode, Tensor } from './tensor.js';

/**
 * Every node that `tensors` and `nodes` need, in the order in which they were recorded: inputs come before users, and a
 * schedule runs what the program said when it said it.
 */
export function recordingOrder(tensors: readonly Tensor[], nodes: readonly GraphNode[] = []): GraphNode[] {
  const found = new Set<GraphNode>(nodes);
  const waiting = [...nodes];
  for (const tensor of tensors) if (tensor.node) waiting.push(tensor.node);
  for (let node = waiting.pop(); node; node = waiting.pop()) {
    found.add(node);
    for (const input of node.inputs) if (input.node && !found.has(input.node)) waiting.push(input.node);
  }
  return [...found].sort((a, b) => a.order - b.order);
}

/** True for an op whose output is its first input's memory under another shape. */
export const isView = (node: GraphNode): boolean => !node.op.kernels;

/** The tensor that owns the memory of `tensor`, looking through views. */
export function memoryOf(tensor: Tensor): Tensor {
  let owner = tensor;
  while (owner.node && isView(owner.node)) owner = owner.node.inputs[0]!;
  return owner;
}
