/**
 * The student's projection head into the space of the class vectors (docs/method.md 3.1): 1 to 3 Linear layers, with BatchNorm and
 * ReLU behind all but the last; 0 layers are no head at all. The paper's has two: fc1, bn, ReLU, fc2.
 */
import {
  activation,
  batchNorm,
  batchNormEval,
  type GraphNode,
  linear,
  type Shape,
  type Tensor,
  updateRunningStatistics,
  variable,
} from '../../../engine/index.js';
import type { Random } from '../../random.js';

/** Layers of the paper's head. */
export const PROJECTION_LAYERS = 2;

/** By the names of `projectionShapes`. */
export type ProjectionValues = Readonly<Record<string, Float32Array>>;
/** The head on the device, by the same names. */
export type Projection = Readonly<Record<string, Tensor>>;

/** The name of the BatchNorm behind layer `layer`, counted from 1. */
const normName = (layer: number): string => (layer === 1 ? 'bn' : `bn${layer}`);

/** Parameters in the order in which optimisers and files keep them: fc1, bn, fc2, bn2, fc3. */
export function projectionParameters(layers = PROJECTION_LAYERS): string[] {
  const names: string[] = [];
  for (let i = 1; i <= layers; i++)
    for (const name of i < layers ? [`fc${i}`, normName(i)] : [`fc${i}`])
      names.push(`${name}.weight`, `${name}.bias`);
  return names;
}

/** BatchNorm's running statistics. */
export function projectionStatistics(layers: number): string[] {
  return Array.from({ length: Math.max(0, layers - 1) }, (_, i) => normName(i + 1)).flatMap((name) => [
    `${name}.mean`,
    `${name}.var`,
  ]);
}

/** The number of layers of a head. */
export const layersOf = (head: Projection | ProjectionValues): number =>
  Object.keys(head).filter((name) => /^fc\d+\.weight$/.test(name)).length;

/** Shapes by name, for `inputs` (student embedding) and `outputs` (that of the class vectors; also the hidden size). */
export function projectionShapes(inputs: number, outputs: number, layers: number): Record<string, Shape> {
  const shapeOf = (name: string): Shape => {
    if (!/^fc\d+\.weight$/.test(name)) return [outputs];
    return [outputs, name === 'fc1.weight' ? inputs : outputs];
  };
  const names = [...projectionParameters(layers), ...projectionStatistics(layers)];
  return Object.fromEntries(names.map((name) => [name, shapeOf(name)]));
}

/** PyTorch's default initialisation: weights and biases uniform within 1/sqrt(fan in), BatchNorm the identity. */
export function initialProjection(
  inputs: number,
  outputs: number,
  random: Random,
  layers = PROJECTION_LAYERS,
): ProjectionValues {
  const valuesOf = (name: string, shape: Shape): Float32Array => {
    const size = shape.reduce((product, n) => product * n, 1);
    if (!name.startsWith('fc')) return new Float32Array(size).fill(/\.(weight|var)$/.test(name) ? 1 : 0);
    const bound = 1 / Math.sqrt(name.startsWith('fc1.') ? inputs : outputs);
    return Float32Array.from({ length: size }, () => random.uniform(-bound, bound));
  };
  const shapes = Object.entries(projectionShapes(inputs, outputs, layers));
  return Object.fromEntries(shapes.map(([name, shape]) => [name, valuesOf(name, shape)]));
}

/** The head as variables on the device: with values, or by its shapes alone. */
export const projectionLeaves = (
  inputs: number,
  outputs: number,
  layers: number,
  values?: ProjectionValues,
): Projection =>
  Object.fromEntries(
    Object.entries(projectionShapes(inputs, outputs, layers)).map(([name, shape]) => [
      name,
      variable(values?.[name], shape, `projection.${name}`),
    ]),
  );

/** The head with those values as variables on the device. */
export const projectionVariables = (values: ProjectionValues, inputs: number, outputs: number): Projection =>
  projectionLeaves(inputs, outputs, layersOf(values), values);

/** What of a head is trained, and BatchNorm's running statistics, each in the order of files. */
export function projectionTensors(head: Projection): {
  readonly parameters: readonly Tensor[];
  readonly statistics: readonly Tensor[];
} {
  const layers = layersOf(head);
  const named = (names: readonly string[]) => names.map((name) => head[name]!);
  return {
    parameters: named(projectionParameters(layers)),
    statistics: named(projectionStatistics(layers)),
  };
}

/** A tensor of a BatchNorm: `weight`, `bias`, `mean` or `var`. */
type Norm = (part: string) => Tensor;

/** `features` through every layer of the head; `normalise` is its BatchNorm. */
function project(head: Projection, features: Tensor, normalise: (x: Tensor, norm: Norm) => Tensor): Tensor {
  const layers = layersOf(head);
  let x = features;
  for (let i = 1; i <= layers; i++) {
    x = linear(x, head[`fc${i}.weight`]!, head[`fc${i}.bias`]!);
    if (i < layers)
      x = activation(
        normalise(x, (part) => head[`${normName(i)}.${part}`]!),
        'relu',
      );
  }
  return x;
}

/**
 * Training: batch statistics. `features` `[batch, inputs]` -> `[batch, outputs]`, and the updates of the running
 * statistics.
 */
export function projectTraining(
  head: Projection,
  features: Tensor,
): { projected: Tensor; updates: GraphNode[] } {
  const updates: GraphNode[] = [];
  const count = features.shape[0]!;
  const projected = project(head, features, (x, norm) => {
    const { y, mean, variance } = batchNorm(x, norm('weight'), norm('bias'));
    updates.push(updateRunningStatistics(norm('mean'), norm('var'), mean, variance, { count }));
    return y;
  });
  return { projected, updates };
}

/** Evaluation: running statistics. */
export const projectEvaluation = (head: Projection, features: Tensor): Tensor =>
  project(head, features, (x, norm) =>
    batchNormEval(x, norm('weight'), norm('bias'), norm('mean'), norm('var')),
  );
