/** Records a graph again in its smallest operations: a step without any fusion. */

import type { PlanRequest } from '../../engine/gpu/schedule.js';
import type { GraphNode } from '../../engine/graph/op.js';
import { nodeOf, record } from '../../engine/graph/op.js';
import type { Tensor } from '../../engine/graph/tensor.js';
import { recordingOrder } from '../../engine/graph/traverse.js';
import { activation } from '../../engine/ops/activation.js';
import { add } from '../../engine/ops/add.js';
import type { linear } from '../../engine/ops/linear.js';
import { matmul } from '../../engine/ops/matmul.js';
import { reshape } from '../../engine/ops/reshape.js';
import { rowsOf } from '../../engine/ops/shape.js';

type LinearInputs = readonly [x: Tensor, weight: Tensor, bias?: Tensor];
type LinearOptions = NonNullable<Parameters<typeof linear>[3]>;

/**
 * Records every node of a request again, on the same leaves, with linear layers as a matmul, an addition and an activation. Compile
 * the result with `fuse: false`, or the planner fuses them again.
 */
export function unfused({ outputs = [], updates = [], loss }: PlanRequest): PlanRequest {
  const copies = new Map<Tensor, Tensor>();
  const nodes = new Map<GraphNode, GraphNode>();
  const copyOf = (tensor: Tensor): Tensor => (nodeOf(tensor) ? copies.get(tensor)! : tensor);
  for (const node of recordingOrder(outputs, updates)) {
    const inputs = node.inputs.map(copyOf);
    if (node.op.name === 'linear') {
      const [x, weight, bias] = inputs;
      linearInParts([x!, weight!, bias], node.attributes as LinearOptions).forEach((copy, i) => {
        copies.set(node.outputs[i]!, copy);
      });
      continue;
    }
    const copy = record(node.op, inputs, node.attributes);
    nodes.set(node, copy);
    node.outputs.forEach((output, i) => {
      copies.set(output, copy.outputs[i]!);
    });
  }
  return {
    outputs: outputs.map(copyOf),
    updates: updates.map((node) => nodes.get(node)!),
    loss: loss && copyOf(loss),
  };
}

/** Both outputs of `linear`: the result and the preactivation. */
function linearInParts(
  [x, weight, bias]: LinearInputs,
  { activation: kind, dtype }: LinearOptions,
): [Tensor, Tensor] {
  const { rows, width } = rowsOf(x.shape);
  const product = matmul(reshape(x, [rows, width]), weight, { transposeB: true, dtype });
  const sum = bias ? add(product, bias) : product;
  const preactivation = reshape(sum, [...x.shape.slice(0, -1), weight.shape[0]!]);
  return [kind ? activation(preactivation, kind) : preactivation, preactivation];
}
