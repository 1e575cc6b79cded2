/** Walks over the recorded graph. */
import type { GraphNode, Tensor } from './tensor.js';

/** Every node that `tensors` and `nodes` need, inputs before users. Iterative: deep graphs do not overflow the stack. */
export function topologicalOrder(tensors: readonly Tensor[], nodes: readonly GraphNode[] = []): GraphNode[] {
  const order: GraphNode[] = [];
  const seen = new Set<GraphNode>();
  const visit = (root: GraphNode) => {
    const stack: { node: GraphNode; next: number }[] = [{ node: root, next: 0 }];
    if (seen.has(root)) return;
    seen.add(root);
    while (stack.length > 0) {
      const top = stack[stack.length - 1]!;
      const input = top.node.inputs[top.next++];
      if (!input) {
        order.push(top.node);
        stack.pop();
      } else if (input.node && !seen.has(input.node)) {
        seen.add(input.node);
        stack.push({ node: input.node, next: 0 });
      }
    }
  };
  for (const tensor of tensors) if (tensor.node) visit(tensor.node);
  for (const node of nodes) visit(node);
  return order;
}

/** True for an op whose output is its first input's memory under another shape. */
export const isView = (node: GraphNode): boolean => !node.op.kernels;

/** The tensor that owns the memory of `tensor`, looking through views. */
export function memoryOf(tensor: Tensor): Tensor {
  let owner = tensor;
  while (owner.node && isView(owner.node)) owner = owner.node.inputs[0]!;
  return owner;
}
