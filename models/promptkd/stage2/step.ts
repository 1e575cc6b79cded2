/**
 * Stage 2: distils the teacher into the student on unlabelled images (docs/method.md 3).
 *
 *     kl:            loss = weight * T² * sum over b, c of p (log p - log r) / (B * C)
 *     symmetric-kl:  the mean of that and of the same with p and r exchanged
 *     l1, mse:       loss = weight * mean |u - v|, weight * mean (u - v)²
 *
 * p = softmax(q / T), r = softmax(s / T); q: the teacher's logits; s: the student's, its projected image features against
 * the same stored class vectors. v, u: the unit image features that those logits are made of. Only directions count in a
 * CLIP, so the lengths of the features are not compared.
 */
import type { Gpu } from '../../../engine/gpu/gpu.js';
import { write } from '../../../engine/gpu/memory.js';
import { type CompileOptions, Plan } from '../../../engine/gpu/plan.js';
import type { GraphNode } from '../../../engine/graph/op.js';
import { constant, input, scalar, type Tensor } from '../../../engine/graph/tensor.js';
import { add } from '../../../engine/ops/add.js';
import { klSoftmax } from '../../../engine/ops/klSoftmax.js';
import { l2Normalize } from '../../../engine/ops/l2Normalize.js';
import { l1Mean, mseMean } from '../../../engine/ops/meanDifference.js';
import { multiply } from '../../../engine/ops/multiply.js';
import type { Optimiser } from '../../../engine/train/optim.js';
import type { ClipGraph, ClipModel } from '../../clip/model.js';
import { encodeImages } from '../../clip/vision.js';
import type { StepResult } from '../../runs/train.js';
import { descend } from '../shared/gradientsAndUpdate.js';
import { type Health, HealthReader, recordHealth } from '../shared/health.js';
import {
  layersOf,
  type Projection,
  projectEvaluation,
  projectionParameters,
  projectionStatistics,
  projectTraining,
} from '../shared/projection.js';
import type { DistillationLoss } from '../shared/settings.js';
import { UpdatePlan } from '../shared/updatePlan.js';
import { cosineLogits } from '../stage1/step.js';

export interface StudentOptions {
  readonly batch: number;
  readonly momentum: number;
  readonly weightDecay: number;
  /** Batches whose gradients are averaged before one update (default 1). */
  readonly accumulate?: number;
  /** Recompute activations in the backward pass: less memory, about a third more work. */
  readonly recompute?: boolean;
  readonly temperature: number;
  /** What of the teacher is imitated (default and paper: kl). */
  readonly kdLoss?: DistillationLoss;
  /** Weight of the distillation loss (paper: 1000, or 200 for three data sets). */
  readonly weight: number;
}

/** What a student has beside its frozen model; any of it may be empty. */
export interface StudentVariables {
  readonly prompts: readonly Tensor[];
  readonly projection: Projection;
  /** Weights of the model itself that are trained, for full fine-tuning: variables among its leaves. */
  readonly weights?: readonly Tensor[];
}

/** Stored class vectors, unit rows `[classes, embed]`. */
export interface ClassMatrix {
  readonly vectors: Float32Array;
  readonly count: number;
  readonly embed: number;
}

export const classTensor = ({ vectors, count, embed }: ClassMatrix): Tensor =>
  constant(vectors, [count, embed], 'class vectors');

/** How far the student is from the teacher, `[1]`. */
export function distillationLoss(
  kind: DistillationLoss,
  teacher: { readonly features: Tensor; readonly logits: Tensor },
  student: { readonly features: Tensor; readonly logits: Tensor },
  temperature: number,
): Tensor {
  const kl = (p: Tensor, r: Tensor) => klSoftmax(p, r, temperature);
  switch (kind) {
    case 'kl':
      return kl(teacher.logits, student.logits);
    case 'symmetric-kl': {
      const both = add(kl(teacher.logits, student.logits), kl(student.logits, teacher.logits));
      return multiply(both, scalar(0.5));
    }
    case 'l1':
      return l1Mean(student.features, teacher.features);
    case 'mse':
      return mseMean(student.features, teacher.features);
  }
}

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

/** Unit image features of a CLIP, `[batch, embed]`. */
const unitFeatures = (model: ClipGraph, prompts: readonly Tensor[], images: Tensor): Tensor =>
  l2Normalize(encodeImages(model.weights, model.config, images, prompts));

/** Logits of a CLIP image encoder against class vectors: the teacher's, and zero-shot CLIP's. */
export const clipLogits = (
  model: ClipGraph,
  prompts: readonly Tensor[],
  classes: Tensor,
  images: Tensor,
): Tensor => cosineLogits(unitFeatures(model, prompts, images), classes, model.logitScale);

/**
 * Where the teacher's logits come from: its image encoder in the same step, or its unit image features, written by the
 * host before each step (kept from an earlier pass over the same crops).
 */
export type TeacherSource = (
  | { readonly model: ClipGraph; readonly prompts: readonly Tensor[] }
  | { readonly logitScale: number }
) & {
  /** The teacher's class vectors, unit rows, where they are not the student's too. */
  readonly classes?: Tensor;
};

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
  /** Vision prompts, the model's own weights, then the projection in the order of `projectionParameters`. */
  readonly parameters: readonly Tensor[];
  readonly gradients: readonly Tensor[];
  readonly optimiser: Optimiser;
  /** What runs after the last batch of an update, where several make one. */
  readonly finish?: readonly GraphNode[];
  /** Everything that a step changes: the parameters and BatchNorm's running statistics; and the look at them. */
  readonly updates: readonly GraphNode[];
  readonly health: Health;
}

/**
 * Records the step; nothing is computed and no device is needed.
 *
 * @param variables all of them are trained
 * @param classes class vectors, unit rows `[classes, embed]`
 */
export function studentGraph(
  model: ClipGraph,
  variables: StudentVariables,
  classes: Tensor,
  teacher: TeacherSource,
  options: StudentOptions,
): StudentGraph {
  const { batch, temperature, kdLoss = 'kl' } = options;
  const { config, weights, logitScale } = model;
  const { resolution } = config.vision;
  const images = input([batch, 3, resolution, resolution], 'images');
  const rate = input([1], 'learning rate');

  let teacherInput: Tensor;
  let teacherFeatures: Tensor;
  const teacherClasses = teacher.classes ?? classes;
  if ('model' in teacher) {
    const size = teacher.model.config.vision.resolution;
    teacherInput = size === resolution ? images : input([batch, 3, size, size], 'teacher images');
    teacherFeatures = unitFeatures(teacher.model, teacher.prompts, teacherInput);
  } else {
    teacherInput = input([batch, teacherClasses.shape[1]!], 'teacher features');
    teacherFeatures = teacherInput;
  }
  const teacherScale = 'model' in teacher ? teacher.model.logitScale : teacher.logitScale;
  const teacherLogits = cosineLogits(teacherFeatures, teacherClasses, teacherScale);

  const encoded = encodeImages(weights, config, images, variables.prompts);
  const { projected, updates: statistics } = projectTraining(variables.projection, encoded);
  const features = l2Normalize(projected);
  const logits = cosineLogits(features, classes, logitScale);
  const distance = distillationLoss(
    kdLoss,
    { features: teacherFeatures, logits: teacherLogits },
    { features, logits },
    temperature,
  );
  const loss = multiply(distance, scalar(options.weight));

  const { prompts, projection, weights: tuned = [] } = variables;
  const head = projectionParameters(layersOf(projection)).map((name) => projection[name]!);
  const parameters = [...prompts, ...tuned, ...head];
  const { gradients, optimiser, finish, goodSteps } = descend(loss, parameters, rate, options, weights.half);
  const running = projectionStatistics(layersOf(projection)).map((name) => projection[name]!);
  const health = recordHealth(parameters, running, finish !== undefined, goodSteps);
  const updates = [...optimiser.updates, ...statistics, ...health.updates];
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
    finish: finish && [...finish, ...health.finish],
    health,
  };
}

export interface InspectOptions {
  /** Keeps logits and gradients after a step, for reading; they then share no memory with anything else. */
  readonly inspect?: boolean;
}

/** One planned training step of stage 2. */
export class StudentStep {
  private readonly health: HealthReader;
  private updated = false;

  private constructor(
    private readonly gpu: Gpu,
    readonly graph: StudentGraph,
    readonly plan: Plan,
    private readonly updates: UpdatePlan,
  ) {
    this.health = new HealthReader(graph.health);
  }

  static async create(
    gpu: Gpu,
    model: ClipModel,
    variables: StudentVariables,
    classes: ClassMatrix,
    teacher: TeacherSource,
    options: StudentOptions,
    { inspect = false, ...compile }: CompileOptions & InspectOptions = {},
  ): Promise<StudentStep> {
    const graph = studentGraph(model, variables, classTensor(classes), teacher, options);
    const { loss, teacherLogits, logits, gradients, updates } = graph;
    const outputs = inspect ? [loss, teacherLogits, logits, ...gradients] : [loss];
    const plan = await Plan.compile(gpu, { outputs, updates }, compile);
    return new StudentStep(gpu, graph, plan, await UpdatePlan.compile(gpu, graph.finish, options));
  }

  /** Queues one step on what is in `graph.images` and `graph.teacherInput`. */
  run(learningRate: number): void {
    write(this.gpu, this.graph.rate, Float32Array.of(learningRate));
    this.plan.run();
    this.updated = this.updates.afterBatch();
  }

  /** The loss of the last step queued, and whether what it trains is as it should be. Reads end in the order of their steps. */
  async readLosses(): Promise<StepResult> {
    const { health, updated } = this;
    const [loss, ...values] = await this.plan.readTogether([this.graph.loss, ...health.tensors]);
    const losses = { loss: loss![0]! };
    return { losses, fault: health.fault(losses, values, updated) };
  }

  /** Frees the plans' own buffers. */
  destroy(): void {
    this.plan.destroy();
    this.updates.destroy();
  }
}
