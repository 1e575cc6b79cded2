/**
 * Stage 2: distils the teacher into the student on unlabelled images (spec 3).
 *
 *     loss = weight * T² * sum over b, c of p (log p - log softmax(s / T)) / (B * C),  p = softmax(q / T)
 *
 * q: the teacher's logits; s: the student's, its projected image features against the same stored class vectors.
 */
import { grad } from '../../engine/autograd.js';
import type { Gpu } from '../../engine/gpu.js';
import { write } from '../../engine/memory.js';
import { klSoftmax } from '../../engine/ops/klSoftmax.js';
import { l2Normalize } from '../../engine/ops/l2Normalize.js';
import { multiply } from '../../engine/ops/multiply.js';
import { type Optimiser, sgd } from '../../engine/optim.js';
import { type CompileOptions, Plan } from '../../engine/plan.js';
import { constant, type GraphNode, input, scalar, type Tensor } from '../../engine/tensor.js';
import type { ClipGraph, ClipModel } from '../clip/model.js';
import { encodeImages } from '../clip/vision.js';
import { PROJECTION_PARAMETERS, type Projection, projectEvaluation, projectTraining } from './projection.js';
import { cosineLogits } from './teacher.js';

export interface StudentOptions {
  readonly batch: number;
  readonly momentum: number;
  readonly weightDecay: number;
  /** Recompute activations in the backward pass: less memory, about a third more work. */
  readonly recompute?: boolean;
  readonly temperature: number;
  /** Weight of the distillation loss (paper: 1000, or 200 for three data sets). */
  readonly weight: number;
}

/** What is trained: vision prompts and the projection head. */
export interface StudentVariables {
  readonly prompts: readonly Tensor[];
  readonly projection: Projection;
}

/** Stored class vectors, unit rows `[classes, embed]`. */
export interface ClassMatrix {
  readonly vectors: Float32Array;
  readonly count: number;
  readonly embed: number;
}

export const classTensor = ({ vectors, count, embed }: ClassMatrix): Tensor =>
  constant(vectors, [count, embed], 'class vectors');

/** The student's logits with running statistics, `[batch, classes]`: what evaluation and prediction use. */
export function studentLogits(
  model: ClipGraph,
  variables: StudentVariables,
  classes: Tensor,
  images: Tensor,
): Tensor {
  const features = encodeImages(model.weights, model.config, images, variables.prompts);
  const projected = projectEvaluation(variables.projection, features);
  return cosineLogits(l2Normalize(projected), classes, model.logitScale);
}

/** Logits of a CLIP image encoder against class vectors: the teacher's, and zero-shot CLIP's. */
export function clipLogits(
  model: ClipGraph,
  prompts: readonly Tensor[],
  classes: Tensor,
  images: Tensor,
): Tensor {
  const features = encodeImages(model.weights, model.config, images, prompts);
  return cosineLogits(l2Normalize(features), classes, model.logitScale);
}

/**
 * Where the teacher's logits come from: its image encoder in the same step, or its unit image features, written by the
 * host before each step (kept from an earlier pass over the same crops).
 */
export type TeacherSource =
  | { readonly model: ClipGraph; readonly prompts: readonly Tensor[] }
  | { readonly logitScale: number };

/** The graph of one training step of stage 2. */
export interface StudentGraph {
  /** Input, `[batch, 3, resolution, resolution]`, normalised, at the student's resolution. */
  readonly images: Tensor;
  /** Input: the same images for the teacher (the same tensor when resolutions agree), or its unit features `[batch, embed]`. */
  readonly teacherInput: Tensor;
  /** Input, `[1]`: the learning rate. */
  readonly rate: Tensor;
  readonly loss: Tensor;
  readonly teacherLogits: Tensor;
  readonly logits: Tensor;
  /** Vision prompts, then the projection in the order of `PROJECTION_PARAMETERS`. */
  readonly parameters: readonly Tensor[];
  readonly gradients: readonly Tensor[];
  readonly optimiser: Optimiser;
  /** Everything that a step changes: the parameters and BatchNorm's running statistics. */
  readonly updates: readonly GraphNode[];
}

/** Records the step; nothing is computed and no device is needed. `classes` are unit rows `[classes, embed]`. */
export function studentGraph(
  model: ClipGraph,
  variables: StudentVariables,
  classes: Tensor,
  teacher: TeacherSource,
  options: StudentOptions,
): StudentGraph {
  const { batch, temperature } = options;
  const { config, weights, logitScale } = model;
  const { resolution } = config.vision;
  const images = input([batch, 3, resolution, resolution], 'images');
  const rate = input([1], 'learning rate');

  let teacherInput: Tensor;
  let teacherLogits: Tensor;
  if ('model' in teacher) {
    const size = teacher.model.config.vision.resolution;
    teacherInput = size === resolution ? images : input([batch, 3, size, size], 'teacher images');
    teacherLogits = clipLogits(teacher.model, teacher.prompts, classes, teacherInput);
  } else {
    teacherInput = input([batch, classes.shape[1]!], 'teacher features');
    teacherLogits = cosineLogits(teacherInput, classes, teacher.logitScale);
  }

  const features = encodeImages(weights, config, images, variables.prompts);
  const { projected, update } = projectTraining(variables.projection, features);
  const logits = cosineLogits(l2Normalize(projected), classes, logitScale);
  const loss = multiply(klSoftmax(teacherLogits, logits, temperature), scalar(options.weight));

  const parameters = [
    ...variables.prompts,
    ...PROJECTION_PARAMETERS.map((name) => variables.projection[name]),
  ];
  const gradients = grad(loss, parameters, options);
  const optimiser = sgd(parameters, gradients, rate, options);
  const updates = [...optimiser.updates, update];
  return {
    images,
    teacherInput,
    rate,
    loss,
    teacherLogits,
    logits,
    parameters,
    gradients,
    optimiser,
    updates,
  };
}

/** One planned training step of stage 2. */
export class StudentStep {
  private constructor(
    private readonly gpu: Gpu,
    readonly graph: StudentGraph,
    readonly plan: Plan,
  ) {}

  static async create(
    gpu: Gpu,
    model: ClipModel,
    variables: StudentVariables,
    classes: ClassMatrix,
    teacher: TeacherSource,
    options: StudentOptions,
    compile: CompileOptions = {},
  ): Promise<StudentStep> {
    const graph = studentGraph(model, variables, classTensor(classes), teacher, options);
    const { loss, teacherLogits, logits, gradients, updates } = graph;
    const outputs = [loss, teacherLogits, logits, ...gradients];
    return new StudentStep(gpu, graph, await Plan.compile(gpu, { outputs, updates }, compile));
  }

  /** Queues one step on what is in `graph.images` and `graph.teacherInput`. */
  run(learningRate: number): void {
    write(this.gpu, this.graph.rate, Float32Array.of(learningRate));
    this.plan.run();
  }

  /** The loss of the last step queued. */
  async readLoss(): Promise<number> {
    return (await this.plan.read(this.graph.loss))[0]!;
  }
}
