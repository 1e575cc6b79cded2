/**
 * Stage 1: tunes the teacher's prompts with a few labelled images (docs/method.md 1.3).
 *
 *     promptsrc:   loss = CE(q, y) + 25 * mean|w - f| + 10 * mean|u - z| + KL(q0 || q)
 *     ivlp, coop:  loss = CE(q, y)
 *
 * u, w: unit image and text features with prompts; z, f: the same of the frozen model without prompts (f the mean over
 * the templates); q, q0: their scaled cosines.
 */
import {
  add,
  crossEntropy,
  input,
  klSoftmax,
  l1Mean,
  l2Normalize,
  multiply,
  scalar,
  type Tensor,
} from '../../../engine/index.js';
import type { ClipGraph } from '../../clip/model.js';
import { encodeText } from '../../clip/text.js';
import { type GradientOptions, gradientsAndUpdate } from '../shared/gradientsAndUpdate.js';
import { cosineLogits, unitFeatures } from '../shared/logits.js';
import type { Prompts } from '../shared/prompts.js';
import type { StepGraph } from '../shared/trainingStep.js';

/** What the step depends on: resolved settings of stage 1 are such options. */
export interface TeacherStepOptions extends GradientOptions {
  readonly batch: number;
  /** Which loss (default promptsrc). IVLP and CoOp differ in their prompts alone. */
  readonly method?: 'promptsrc' | 'ivlp' | 'coop';
  /** Weight of the L1 distance between prompted and frozen text features (PromptSRC: 25). */
  readonly textWeight: number;
  /** The same for image features (10). */
  readonly imageWeight: number;
  /** Fixed crops of an image (default 0: others in every epoch), whose frozen features are computed before the training. */
  readonly views?: number;
}

/** What stage 1 needs of its classes, as graph leaves. */
export interface ClassInputs {
  /** Token embeddings of "{init} {class}.", `[classes, length, text width]`. */
  readonly embedded: Tensor;
  /** int32 `[classes]`: rows of the end-of-text tokens in `[classes * length]`. */
  readonly endRows: Tensor;
  /** Mean over the templates of the frozen text features, not normalised, `[classes, embed]`; for PromptSRC. */
  readonly frozenText?: Tensor;
}

/** The graph of one training step of stage 1; `parameters` in the order text.0, text.1, ..., vision.0, ... */
export interface TeacherGraph extends StepGraph {
  /** Input, int32 `[batch]`. */
  readonly labels: Tensor;
  /** Input, unit rows `[batch, embed]`: features of the frozen image encoder, where they are not computed in the step. */
  readonly frozenFeatures?: Tensor;
  /** By the names of the reference numbers. */
  readonly parts: {
    readonly ce: Tensor;
    readonly scl_text?: Tensor;
    readonly scl_image?: Tensor;
    readonly scl_logits?: Tensor;
  } & Readonly<Record<string, Tensor>>;
}

/**
 * Records the step from leaves with values or without; nothing is computed and no device is needed.
 *
 * @throws Error when PromptSRC gets no frozen text features
 */
export function teacherGraph(
  model: ClipGraph,
  prompts: Prompts,
  classes: ClassInputs,
  options: TeacherStepOptions,
): TeacherGraph {
  const { config, weights, logitScale } = model;
  const { batch, method = 'promptsrc', views = 0 } = options;
  const { resolution } = config.vision;
  const images = input([batch, 3, resolution, resolution], 'images');
  const labels = input([batch], 'labels', 'i32');
  const rate = input([1], 'learning rate');
  const tuned = prompts.vision.length > 0;
  // Kept features replace the frozen encoder wherever the step looks at it.
  const kept = views > 0 && (method === 'promptsrc' || !tuned);
  const frozenFeatures = kept ? input([batch, config.embed], 'frozen image features') : undefined;
  const frozen = () => frozenFeatures ?? unitFeatures(model, [], images);

  const u = tuned ? unitFeatures(model, prompts.vision, images) : frozen();
  const w = l2Normalize(encodeText(weights, config, classes.embedded, classes.endRows, prompts.text));
  const q = cosineLogits(u, w, logitScale);
  const ce = crossEntropy(q, labels);
  let loss = ce;
  let parts: TeacherGraph['parts'] = { ce };
  if (method === 'promptsrc') {
    if (!classes.frozenText) throw new Error('PromptSRC needs the frozen text features');
    const z = tuned ? frozen() : u;
    const f = l2Normalize(classes.frozenText);
    const q0 = cosineLogits(z, f, logitScale);
    const scl_text = multiply(l1Mean(w, f), scalar(options.textWeight));
    const scl_image = multiply(l1Mean(u, z), scalar(options.imageWeight));
    const scl_logits = klSoftmax(q0, q, 1);
    loss = add(add(add(ce, scl_text), scl_image), scl_logits);
    parts = { ce, scl_text, scl_image, scl_logits };
  }
  const parameters = [...prompts.text, ...prompts.vision];
  const updates = gradientsAndUpdate(loss, parameters, rate, options, weights.half);
  return { images, frozenFeatures, labels, rate, loss, parts, inspected: [], ...updates };
}
