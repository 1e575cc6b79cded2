/** The student's projection head into the teacher's space: Linear, BatchNorm, ReLU, Linear (spec 3.1). */
import { activation } from '../../engine/ops/activation.js';
import { batchNorm, batchNormEval, updateRunningStatistics } from '../../engine/ops/batchNorm.js';
import { linear } from '../../engine/ops/linear.js';
import { type GraphNode, type Shape, type Tensor, variable } from '../../engine/tensor.js';
import type { Random } from '../random.js';

/** Parameters in the order in which optimisers and files keep them. */
export const PROJECTION_PARAMETERS = [
  'fc1.weight',
  'fc1.bias',
  'bn.weight',
  'bn.bias',
  'fc2.weight',
  'fc2.bias',
] as const;
export const PROJECTION_STATISTICS = ['bn.mean', 'bn.var'] as const;
type Name = (typeof PROJECTION_PARAMETERS)[number] | (typeof PROJECTION_STATISTICS)[number];

export type ProjectionValues = Readonly<Record<Name, Float32Array>>;
export type Projection = Readonly<Record<Name, Tensor>>;

/** PyTorch's default initialisation: weights and biases uniform within 1/sqrt(fan in), BatchNorm the identity. */
export function initialProjection(inputs: number, outputs: number, random: Random): ProjectionValues {
  const draw = (count: number, fanIn: number) => {
    const bound = 1 / Math.sqrt(fanIn);
    return Float32Array.from({ length: count }, () => random.uniform(-bound, bound));
  };
  return {
    'fc1.weight': draw(outputs * inputs, inputs),
    'fc1.bias': draw(outputs, inputs),
    'bn.weight': new Float32Array(outputs).fill(1),
    'bn.bias': new Float32Array(outputs),
    'fc2.weight': draw(outputs * outputs, outputs),
    'fc2.bias': draw(outputs, outputs),
    'bn.mean': new Float32Array(outputs),
    'bn.var': new Float32Array(outputs).fill(1),
  };
}

/** Shapes by name, for `inputs` (student embedding) and `outputs` (teacher embedding; also the hidden size). */
export function projectionShapes(inputs: number, outputs: number): Record<Name, Shape> {
  return {
    'fc1.weight': [outputs, inputs],
    'fc1.bias': [outputs],
    'bn.weight': [outputs],
    'bn.bias': [outputs],
    'fc2.weight': [outputs, outputs],
    'fc2.bias': [outputs],
    'bn.mean': [outputs],
    'bn.var': [outputs],
  };
}

/** The head as variables on the device. */
export function projectionVariables(values: ProjectionValues, inputs: number, outputs: number): Projection {
  const shapes = projectionShapes(inputs, outputs);
  const entries = (Object.keys(shapes) as Name[]).map((name) => [
    name,
    variable(values[name], shapes[name], `projection.${name}`),
  ]);
  return Object.fromEntries(entries) as Projection;
}

/**
 * Training: batch statistics. `features` `[batch, inputs]` -> `[batch, outputs]`, and the update of the running
 * statistics.
 */
export function projectTraining(
  head: Projection,
  features: Tensor,
): { projected: Tensor; update: GraphNode } {
  const hidden = linear(features, head['fc1.weight'], head['fc1.bias']);
  const { y, mean, variance } = batchNorm(hidden, head['bn.weight'], head['bn.bias']);
  return {
    projected: linear(activation(y, 'relu'), head['fc2.weight'], head['fc2.bias']),
    update: updateRunningStatistics(head['bn.mean'], head['bn.var'], mean, variance, {
      count: features.shape[0]!,
    }),
  };
}

/** Evaluation: running statistics. */
export function projectEvaluation(head: Projection, features: Tensor): Tensor {
  const hidden = linear(features, head['fc1.weight'], head['fc1.bias']);
  const y = batchNormEval(hidden, head['bn.weight'], head['bn.bias'], head['bn.mean'], head['bn.var']);
  return linear(activation(y, 'relu'), head['fc2.weight'], head['fc2.bias']);
}
