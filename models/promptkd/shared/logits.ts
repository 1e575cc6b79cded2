/** Logits of images against class vectors: of CLIP, of the teacher and of the student, in training, evaluation and prediction. */
import { constant, l2Normalize, matmul, multiply, scalar, type Tensor } from '../../../engine/index.js';
import type { ClipGraph } from '../../clip/model.js';
import { encodeImages } from '../../clip/vision.js';
import { type Projection, projectEvaluation } from './projection.js';

/** Class vectors alone, without what made them: unit text features, rows `[count, embed]`. */
export interface ClassVectorRows {
  readonly vectors: Float32Array;
  readonly count: number;
  readonly embed: number;
}

/** Class vectors as a constant `[count, embed]`. */
export const classTensor = ({ vectors, count, embed }: ClassVectorRows): Tensor =>
  constant(vectors, [count, embed], 'class vectors');

/** `scale * a b^T`: scaled cosines of unit rows, `[m, embed]` and `[n, embed]` -> `[m, n]`. */
export const cosineLogits = (a: Tensor, b: Tensor, scale: number): Tensor =>
  multiply(matmul(a, b, { transposeB: true }), scalar(scale, 'logit scale'));

/** Unit image features of a CLIP with vision prompts, `[batch, 3, size, size]` -> `[batch, embed]`. */
export const unitFeatures = (model: ClipGraph, prompts: readonly Tensor[], images: Tensor): Tensor =>
  l2Normalize(encodeImages(model.weights, model.config, images, prompts));

/** Logits of a CLIP's image encoder: the teacher's, and those of zero-shot CLIP, `[batch, classes]`. */
export const clipLogits = (
  model: ClipGraph,
  prompts: readonly Tensor[],
  classes: Tensor,
  images: Tensor,
): Tensor => cosineLogits(unitFeatures(model, prompts, images), classes, model.logitScale);

/** What a student has beside its frozen model; any of it may be empty. */
export interface StudentVariables {
  /** Vision prompts, `[length, width]` a depth. */
  readonly prompts: readonly Tensor[];
  readonly projection: Projection;
  /** Weights of the model itself that are trained, for full fine-tuning: variables among its leaves. */
  readonly weights?: readonly Tensor[];
}

/** The student's logits with running statistics, `[batch, classes]`: what evaluation and prediction use. */
export function studentLogits(
  model: ClipGraph,
  { prompts, projection }: StudentVariables,
  classes: Tensor,
  images: Tensor,
): Tensor {
  const features = encodeImages(model.weights, model.config, images, prompts);
  return cosineLogits(l2Normalize(projectEvaluation(projection, features)), classes, model.logitScale);
}
