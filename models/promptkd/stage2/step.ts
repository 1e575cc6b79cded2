/**
 * Stage 2: distils the teacher into the student on unlabelled images (docs/method.md 3).
 *
 *     loss = weight * distance(teacher, student)
 *
 * The distance is one of shared/losses.ts, by default KL divergence between the softmax of the teacher's logits and of the
 * student's, its projected image features against the same class vectors; or one between the unit image features that those
 * logits are made of. Only directions count in a CLIP, so the lengths of features are not compared.
 */
import { input, l2Normalize, multiply, scalar, type Tensor } from '../../../engine/index.js';
import type { ClipGraph } from '../../clip/model.js';
import { encodeImages } from '../../clip/vision.js';
import { type GradientOptions, gradientsAndUpdate } from '../shared/gradientsAndUpdate.js';
import { cosineLogits, type StudentVariables, unitFeatures } from '../shared/logits.js';
import { DEFAULT_LOSS, type DistillationLoss, distillationLoss } from '../shared/losses.js';
import { projectionTensors, projectTraining } from '../shared/projection.js';
import type { StudentSettings } from '../shared/settings.js';
import type { StepGraph } from '../shared/trainingStep.js';

/** What the step depends on: resolved settings of stage 2 are such options. */
export interface StudentStepOptions extends GradientOptions {
  readonly batch: number;
  readonly temperature: number;
  /** What of the teacher is imitated (default and paper: kl). */
  readonly kdLoss?: DistillationLoss;
  /** Weight of the distillation loss (paper: 1000, or 200 for three data sets). */
  readonly kdWeight: number;
}

/**
 * Where the teacher's image features come from: computed in the step, or before it and kept, in a cache on disk or in memory for
 * fixed crops.
 */
export const teacherFeatureOrigin = ({
  teacherCache,
  views,
}: Pick<StudentSettings, 'teacherCache' | 'views'>): 'step' | 'cache' | 'crops' =>
  teacherCache ? 'cache' : views > 0 ? 'crops' : 'step';

/**
 * Where the teacher's logits come from: its image encoder in the same step, or its unit image features, written by the
 * host before each step (kept from an earlier pass over the same crops).
 */
export type TeacherSource = (
  | { readonly model: ClipGraph; readonly prompts: readonly Tensor[] }
  | { readonly logitScale: number }
) & {
  /** The teacher's class vectors, unit rows `[classes, teacher embed]`, where they are not the student's too. */
  readonly classes?: Tensor;
};

/** The graph of one training step of stage 2; `parameters`: prompts, the model's own weights, then the projection. */
export interface StudentGraph extends StepGraph {
  /**
   * Input: the same images for the teacher, `[batch, 3, size, size]` (the same tensor when resolutions agree), or its unit
   * features `[batch, embed]`.
   */
  readonly teacherInput: Tensor;
  /** `[batch, classes]` each. */
  readonly teacherLogits: Tensor;
  readonly logits: Tensor;
}

/**
 * Records the step from leaves with values or without; nothing is computed and no device is needed.
 *
 * @param variables all of them are trained
 * @param classes class vectors, unit rows `[classes, embed]`
 */
export function studentGraph(
  model: ClipGraph,
  variables: StudentVariables,
  classes: Tensor,
  teacher: TeacherSource,
  options: StudentStepOptions,
): StudentGraph {
  const { batch, temperature, kdLoss = DEFAULT_LOSS } = options;
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

  const { prompts, projection, weights: tuned = [] } = variables;
  const encoded = encodeImages(weights, config, images, prompts);
  const { projected, updates: statistics } = projectTraining(projection, encoded);
  const features = l2Normalize(projected);
  const logits = cosineLogits(features, classes, logitScale);
  const distance = distillationLoss(
    kdLoss,
    { features: teacherFeatures, logits: teacherLogits },
    { features, logits },
    temperature,
  );
  const loss = multiply(distance, scalar(options.kdWeight));

  const head = projectionTensors(projection);
  const parameters = [...prompts, ...tuned, ...head.parameters];
  const running = { tensors: head.statistics, updates: statistics };
  const updates = gradientsAndUpdate(loss, parameters, rate, options, weights.half, running);
  const inspected = [teacherLogits, logits];
  return { images, teacherInput, rate, loss, parts: {}, teacherLogits, logits, inspected, ...updates };
}
