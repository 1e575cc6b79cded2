/** Linear, LayerNorm, linear, KL against a teacher's logits: the loss whose gradients the training case computes. */

import { constant, type Tensor, variable } from '../../engine/graph/tensor.js';
import { klSoftmax } from '../../engine/ops/klSoftmax.js';
import { layerNorm } from '../../engine/ops/layerNorm.js';
import { linear } from '../../engine/ops/linear.js';
import { EPSILON, inputsOf } from './cases.js';

/** The loss, KL over rows times classes, and its parameters: W1, b1, gamma, beta, W2, b2. */
export function trainingGraph(work: {
  readonly rows: number;
  readonly width: number;
  readonly classes: number;
}): { loss: Tensor; parameters: Tensor[] } {
  const { rows, width, classes } = work;
  const values = inputsOf.training(work);
  const x = constant(values.x, [rows, width], 'x');
  const teacher = constant(values.teacher, [rows, classes], 'teacher');
  const w1 = variable(values.w1, [width, width], 'W1');
  const b1 = variable(values.b1, [width], 'b1');
  const gamma = variable(values.gamma, [width], 'gamma');
  const beta = variable(values.beta, [width], 'beta');
  const w2 = variable(values.w2, [classes, width], 'W2');
  const b2 = variable(values.b2, [classes], 'b2');
  const student = linear(layerNorm(linear(x, w1, b1), gamma, beta, EPSILON), w2, b2);
  return { loss: klSoftmax(teacher, student, 1), parameters: [w1, b1, gamma, beta, w2, b2] };
}
