/**
 * Reverse-mode differentiation as a graph transformation: gradients are new nodes.
 * Only nodes on a path from a parameter to the loss are visited, so frozen weights never get a gradient
 * and nothing is computed below the first parameter.
 */

import { type GraphNode, nodeOf, record } from '../graph/op.js';
import { constant, type Tensor } from '../graph/tensor.js';
import { recordingOrder } from '../graph/traverse.js';
import { add } from '../ops/add.js';
import { isCheckpoint } from '../ops/checkpoint.js';

/** Options of `grad`. */
export interface GradOptions {
  /**
   * Activation checkpointing: recomputes the forward results that gradients need from the tensors marked with `checkpoint`
   * (ops/checkpoint.ts) instead of holding them in memory. Takes about a third more work and a fraction of the memory.
   */
  readonly recompute?: boolean;
}

/**
 * Gradients of a scalar `loss` (shape `[1]`) with respect to `parameters`, one tensor each of the parameter's shape.
 * @throws Error when the loss is no scalar, an operation on the path has no gradient rule, or a parameter does not
 * reach the loss
 */
export function grad(loss: Tensor, parameters: readonly Tensor[], options: GradOptions = {}): Tensor[] {
  if (loss.size !== 1) throw new Error(`grad needs a scalar loss, not ${loss}`);
  const order = recordingOrder([loss]);
  const forward = options.recompute ? recomputed() : (node: GraphNode) => node;
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
    node.op.gradient(forward(node), incoming, wanted).forEach((gradient, i) => {
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

/**
 * Maps a node to a copy that depends only on copies, leaves and checkpoints. Copies are recorded when the backward pass asks for
 * them, so that a plan, which runs nodes in the order of recording, recomputes them at that point.
 */
function recomputed(): (node: GraphNode) => GraphNode {
  const copies = new Map<GraphNode, GraphNode>();
  const copyOf = (node: GraphNode): GraphNode => {
    let copy = copies.get(node);
    if (!copy) {
      copy = record(node.op, node.inputs.map(tensorOf), node.attributes);
      copies.set(node, copy);
    }
    return copy;
  };
  const tensorOf = (tensor: Tensor): Tensor => {
    const node = nodeOf(tensor);
    if (!node || isCheckpoint(tensor)) return tensor;
    return copyOf(node).outputs[node.outputs.indexOf(tensor)]!;
  };
  return copyOf;
}
