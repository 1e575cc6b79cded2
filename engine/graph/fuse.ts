/**
 * Kernel fusion: where one kernel can also do the next node's work before it stores its result, such as the sum after a linear
 * layer, both become one node, and the intermediate result is never written to memory. Only the schedule's list of nodes changes;
 * the recorded graph stays as it is, so models are written, differentiated and checked in plain operations. The operations
 * decide what can be fused (`absorb` in op.ts).
 */

import type { GraphNode } from './op.js';
import type { Tensor } from './tensor.js';
import { isView } from './traverse.js';

/** The nodes to run in place of `nodes` (in the order of recording), of which `outputs` are read afterwards. */
export function fuse(nodes: readonly GraphNode[], outputs: readonly Tensor[]): GraphNode[] {
  const users = new Map<Tensor, GraphNode[]>();
  for (const node of nodes)
    for (const input of node.inputs) users.set(input, [...(users.get(input) ?? []), node]);
  const kept = new Set(outputs);
  /** The fused node that replaces a recorded one, and the nodes that no longer run. */
  const running = new Map<GraphNode, GraphNode>();
  const gone = new Set<GraphNode>();
  /** The running node that writes a tensor. */
  const writer = new Map<Tensor, GraphNode>();
  for (const node of nodes) for (const output of node.outputs) writer.set(output, node);

  for (const recorded of nodes) {
    for (const tail of recorded.inputs) {
      const chain = chainBefore(tail);
      if (!chain) continue;
      const { producer, views } = chain;
      const now = running.get(producer) ?? producer;
      // What a kernel stores beside its result, such as a preactivation, would be stored where `recorded` runs: too late for a
      // node before it, and for `recorded` itself.
      const beside = now.outputs.slice(1).flatMap((other) => users.get(other) ?? []);
      if (beside.some((user) => user.order <= recorded.order)) continue;
      const absorbed = now.op.absorb?.(now, recorded, tail);
      if (!absorbed) continue;
      for (const node of [...views, producer]) gone.add(node);
      running.set(recorded, { op: now.op, order: recorded.order, ...absorbed });
      for (const output of absorbed.outputs) writer.set(output, recorded);
      break;
    }
  }
  return nodes.filter((node) => !gone.has(node)).map((node) => running.get(node) ?? node);

  /** The node that computes `tensor`, behind any views, if nothing else reads it or the views. */
  function chainBefore(tensor: Tensor): { producer: GraphNode; views: GraphNode[] } | undefined {
    const views: GraphNode[] = [];
    for (let at = tensor; ; ) {
      const node = writer.get(at);
      if (!node || kept.has(at) || users.get(at)?.length !== 1) return undefined;
      if (!isView(node)) return node.op.mutates ? undefined : { producer: node, views };
      views.push(node);
      at = node.inputs[0]!;
    }
  }
}
