/** Walks over the recorded graph. */
import { type GraphNode, nodeOf } from './op.js';
import type { Tensor } from './tensor.js';

/**
 * All nodes that `tensors` and `nodes` depend on, `nodes` included, in the order of recording: inputs come before users.
 */
export function recordingOrder(tensors: readonly Tensor[], nodes: readonly GraphNode[] = []): GraphNode[] {
  const found = new Set<GraphNode>(nodes);
  const waiting = [...nodes];
  const visit = (tensor: Tensor) => {
    const node = nodeOf(tensor);
    if (node && !found.has(node)) waiting.push(node);
  };
  tensors.forEach(visit);
  for (let node = waiting.pop(); node; node = waiting.pop()) {
    found.add(node);
    node.inputs.forEach(visit);
  }
  return [...found].sort((a, b) => a.order - b.order);
}

/** True for an op whose output is its first input's memory under another shape. */
export const isView = (node: GraphNode): boolean => !node.op.kernels;

/** The tensor that owns the memory of `tensor`, looking through views. */
export function memoryOf(tensor: Tensor): Tensor {
  let owner = tensor;
  for (let node = nodeOf(owner); node && isView(node); node = nodeOf(owner)) owner = node.inputs[0]!;
  return owner;
}
