/**
 * Stage 1: tunes the teacher's prompts with a few labelled images (docs/method.md 1.3).
 *
 *     promptsrc:   loss = CE(q, y) + 25 * mean|w - f| + 10 * mean|u - z| + KL(q0 || q)
 *     ivlp, coop:  loss = CE(q, y)
 *
 * u, w: unit image and text features with prompts; z, f: the same of the frozen model without prompts (f the mean over
 * the templates); q, q0: their scaled cosines.
 */
import type { Gpu } from '../../../engine/gpu/gpu.js';
import { write } from '../../../engine/gpu/memory.js';
import { type CompileOptions, Plan } from '../../../engine/gpu/plan.js';
import type { GraphNode } from '../../../engine/graph/op.js';
import { constant, input, scalar, type Tensor } from '../../../engine/graph/tensor.js';
import { add } from '../../../engine/ops/add.js';
import { crossEntropy } from '../../../engine/ops/crossEntropy.js';
import { klSoftmax } from '../../../engine/ops/klSoftmax.js';
import { l2Normalize } from '../../../engine/ops/l2Normalize.js';
import { matmul } from '../../../engine/ops/matmul.js';
import { l1Mean } from '../../../engine/ops/meanDifference.js';
import { multiply } from '../../../engine/ops/multiply.js';
import type { Optimiser } from '../../../engine/train/optim.js';
import type { ClipGraph, ClipModel } from '../../clip/model.js';
import { encodeText, lookUp, readTokenRows, trimTokens } from '../../clip/text.js';
import { tokenTable } from '../../clip/textEncoder.js';
import { encodeImages } from '../../clip/vision.js';
import type { StepLosses, StepResult } from '../../runs/train.js';
import { descend } from '../shared/gradientsAndUpdate.js';
import { type Health, HealthReader, recordHealth } from '../shared/health.js';
import type { Prompts } from '../shared/prompts.js';
import { UpdatePlan } from '../shared/updatePlan.js';

export interface TeacherOptions {
  readonly batch: number;
  readonly momentum: number;
  readonly weightDecay: number;
  /** Batches whose gradients are averaged before one update (default 1). */
  readonly accumulate?: number;
  /** Recompute activations in the backward pass: less memory, about a third more work. */
  readonly recompute?: boolean;
  /** Weight of the L1 distance between prompted and frozen text features (PromptSRC: 25). */
  readonly textWeight: number;
  /** The same for image features (10). */
  readonly imageWeight: number;
  /** Which loss (default: promptsrc). IVLP and CoOp differ in their prompts alone. */
  readonly method?: 'promptsrc' | 'ivlp' | 'coop';
  /** The frozen model's unit image features: computed in the step (default), or written by the host before it. */
  readonly frozenImages?: 'compute' | 'given';
}

/** The loss and its parts, by the names of the reference numbers; without PromptSRC's terms where there are none. */
export interface TeacherLosses {
  readonly total: number;
  readonly ce: number;
  readonly scl_text?: number;
  readonly scl_image?: number;
  readonly scl_logits?: number;
}

/** `scale * a b^T`: scaled cosines of unit rows. */
export const cosineLogits = (a: Tensor, b: Tensor, scale: number): Tensor =>
  multiply(matmul(a, b, { transposeB: true }), scalar(scale, 'logit scale'));

/** What stage 1 needs of its classes, as graph leaves. */
export interface ClassInputs {
  /** Token embeddings of "{init} {class}.", `[classes, length, text width]`. */
  readonly embedded: Tensor;
  /** int32 `[classes]`: rows of the end-of-text tokens in `[classes * length]`. */
  readonly endRows: Tensor;
  /** Mean over the templates of the frozen text features, not normalised, `[classes, embed]`; for PromptSRC. */
  readonly frozenText?: Tensor;
}

/** The graph of one training step of stage 1. */
export interface TeacherGraph {
  /** Input, `[batch, 3, resolution, resolution]`, normalised. */
  readonly images: Tensor;
  /** Input, unit rows `[batch, embed]`; present when the options say that they are given. */
  readonly frozenFeatures?: Tensor;
  /** Input, int32 `[batch]`. */
  readonly labels: Tensor;
  /** Input, `[1]`: the learning rate. */
  readonly rate: Tensor;
  readonly losses: { readonly [part in keyof TeacherLosses]: Tensor };
  /** In the order text.0, text.1, ..., vision.0, ... */
  readonly parameters: readonly Tensor[];
  readonly gradients: readonly Tensor[];
  readonly optimiser: Optimiser;
  /** What runs after the last batch of an update, where several make one. */
  readonly finish?: readonly GraphNode[];
  /** What a batch changes, and the look at it. */
  readonly updates: readonly GraphNode[];
  readonly health: Health;
}

/** Records the step; nothing is computed and no device is needed. */
export function teacherGraph(
  model: ClipGraph,
  prompts: Prompts,
  classes: ClassInputs,
  options: TeacherOptions,
): TeacherGraph {
  const { config, weights, logitScale } = model;
  const { batch, method = 'promptsrc' } = options;
  const { resolution } = config.vision;
  const images = input([batch, 3, resolution, resolution], 'images');
  const labels = input([batch], 'labels', 'i32');
  const rate = input([1], 'learning rate');
  const frozenFeatures =
    options.frozenImages === 'given' ? input([batch, config.embed], 'frozen image features') : undefined;

  const unit = (vision: readonly Tensor[]) => l2Normalize(encodeImages(weights, config, images, vision));
  const frozen = () => frozenFeatures ?? unit([]);
  const u = prompts.vision.length > 0 ? unit(prompts.vision) : frozen();
  const w = l2Normalize(encodeText(weights, config, classes.embedded, classes.endRows, prompts.text));
  const q = cosineLogits(u, w, logitScale);
  const ce = crossEntropy(q, labels);
  let losses: TeacherGraph['losses'] = { total: ce, ce };
  if (method === 'promptsrc') {
    if (!classes.frozenText) throw new Error('PromptSRC needs the frozen text features');
    const z = prompts.vision.length > 0 ? frozen() : u;
    const f = l2Normalize(classes.frozenText);
    const q0 = cosineLogits(z, f, logitScale);
    const textLoss = multiply(l1Mean(w, f), scalar(options.textWeight));
    const imageLoss = multiply(l1Mean(u, z), scalar(options.imageWeight));
    const logitLoss = klSoftmax(q0, q, 1);
    const total = add(add(add(ce, textLoss), imageLoss), logitLoss);
    losses = { total, ce, scl_text: textLoss, scl_image: imageLoss, scl_logits: logitLoss };
  }

  const parameters = [...prompts.text, ...prompts.vision];
  const { goodSteps, finish, ...descent } = descend(losses.total, parameters, rate, options, weights.half);
  const health = recordHealth(parameters, [], finish !== undefined, goodSteps);
  return {
    images,
    frozenFeatures,
    labels,
    rate,
    losses,
    parameters,
    ...descent,
    updates: [...descent.optimiser.updates, ...health.updates],
    finish: finish && [...finish, ...health.finish],
    health,
  };
}

/** One planned training step of stage 1. */
export class TeacherStep {
  private readonly health: HealthReader;
  private updated = false;

  private constructor(
    private readonly gpu: Gpu,
    readonly graph: TeacherGraph,
    readonly plan: Plan,
    private readonly updates: UpdatePlan,
  ) {
    this.health = new HealthReader(graph.health);
  }

  /**
   * @param classTokens one padded token sequence a base class: "{init} {class}."
   * @param frozenText mean over the templates of the frozen text features, not normalised, `[classes, embed]`; for
   * PromptSRC
   */
  static async create(
    gpu: Gpu,
    model: ClipModel,
    prompts: Prompts,
    classTokens: readonly ArrayLike<number>[],
    frozenText: Float32Array | undefined,
    options: TeacherOptions,
    compile: CompileOptions = {},
  ): Promise<TeacherStep> {
    const { embed, text } = model.config;
    const { tokens, endRows, count, length } = trimTokens(classTokens);
    const rows = lookUp(await readTokenRows(tokenTable(model), [tokens]), text.width, tokens);
    const classes = {
      embedded: constant(rows, [count, length, text.width], 'embedded classes'),
      endRows: constant(endRows, [count], 'end-of-text rows'),
      ...(frozenText && { frozenText: constant(frozenText, [count, embed], 'frozen text features') }),
    };
    const graph = teacherGraph(model, prompts, classes, options);
    const outputs = [...Object.values(graph.losses), ...graph.gradients];
    const plan = await Plan.compile(gpu, { outputs, updates: graph.updates }, compile);
    return new TeacherStep(gpu, graph, plan, await UpdatePlan.compile(gpu, graph.finish, options));
  }

  /** Queues one step on the images that are in `graph.images`. */
  run(labels: Int32Array, learningRate: number): void {
    write(this.gpu, this.graph.labels, labels);
    write(this.gpu, this.graph.rate, Float32Array.of(learningRate));
    this.plan.run();
    this.updated = this.updates.afterBatch();
  }

  /**
   * The losses of the last step queued, the total as `loss`, and whether what it trains is as it should be. Reads end in the order
   * of their steps.
   */
  async readLosses(): Promise<StepResult> {
    const { health, updated } = this;
    const { total, ...parts } = this.graph.losses;
    const tensors = { loss: total, ...parts };
    const names = Object.keys(tensors) as (keyof typeof tensors)[];
    const read = names.map((name) => tensors[name]!);
    const values = await this.plan.readTogether([...read, ...health.tensors]);
    const losses = Object.fromEntries(names.map((name, i) => [name, values[i]![0]!])) as StepLosses;
    return { losses, fault: health.fault(losses, values.slice(names.length), updated) };
  }

  /** Frees the plans' own buffers. */
  destroy(): void {
    this.plan.destroy();
    this.updates.destroy();
  }
}
