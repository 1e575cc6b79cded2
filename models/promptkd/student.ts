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
import { constant, input, scalar, type Tensor } from '../../engine/tensor.js';
import type { ClipModel } from '../clip/model.js';
import { encodeImages } from '../clip/vision.js';
import { PROJECTION_PARAMETERS, type Projection, projectEvaluation, projectTraining } from './projection.js';
import { cosineLogits } from './teacher.js';

export interface StudentOptions {
  readonly batch: number;
  readonly momentum: number;
  readonly weightDecay: number;
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

const classTensor = ({ vectors, count, embed }: ClassMatrix): Tensor =>
  constant(vectors, [count, embed], 'class vectors');

/** The student's logits with running statistics, `[batch, classes]`: what evaluation and prediction use. */
export function studentLogits(
  model: ClipModel,
  variables: StudentVariables,
  classes: ClassMatrix,
  images: Tensor,
): Tensor {
  const features = encodeImages(model.weights, model.config, images, variables.prompts);
  const projected = projectEvaluation(variables.projection, features);
  return cosineLogits(l2Normalize(projected), classTensor(classes), model.logitScale);
}

/** Logits of a CLIP image encoder against class vectors: the teacher's, and zero-shot CLIP's. */
export function clipLogits(
  model: ClipModel,
  prompts: readonly Tensor[],
  classes: ClassMatrix,
  images: Tensor,
): Tensor {
  const features = encodeImages(model.weights, model.config, images, prompts);
  return cosineLogits(l2Normalize(features), classTensor(classes), model.logitScale);
}

/**
 * Where the teacher's logits come from: its image encoder in the same step, or its unit image features, written by the
 * host before each step (kept from an earlier pass over the same crops).
 */
export type TeacherSource =
  | { readonly model: ClipModel; readonly prompts: readonly Tensor[] }
  | { readonly logitScale: number };

/** One planned training step of stage 2. */
export class StudentStep {
  private constructor(
    private readonly gpu: Gpu,
    /** Input, `[batch, 3, resolution, resolution]`, normalised, at the student's resolution. */
    readonly images: Tensor,
    /** The same images for the teacher (the same tensor when resolutions agree), or its unit features `[batch, embed]`. */
    readonly teacherInput: Tensor,
    private readonly rate: Tensor,
    readonly loss: Tensor,
    readonly teacherLogits: Tensor,
    readonly logits: Tensor,
    /** Vision prompts, then the projection in the order of `PROJECTION_PARAMETERS`. */
    readonly parameters: readonly Tensor[],
    readonly gradients: readonly Tensor[],
    readonly optimiser: Optimiser,
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
    const { batch, temperature } = options;
    const { resolution } = model.config.vision;
    const images = input([batch, 3, resolution, resolution], 'images');
    const rate = input([1], 'learning rate');
    const matrix = classTensor(classes);

    let teacherInput: Tensor;
    let teacherLogits: Tensor;
    if ('model' in teacher) {
      const size = teacher.model.config.vision.resolution;
      teacherInput = size === resolution ? images : input([batch, 3, size, size], 'teacher images');
      teacherLogits = clipLogits(teacher.model, teacher.prompts, classes, teacherInput);
    } else {
      teacherInput = input([batch, classes.embed], 'teacher features');
      teacherLogits = cosineLogits(teacherInput, matrix, teacher.logitScale);
    }

    const features = encodeImages(model.weights, model.config, images, variables.prompts);
    const { projected, update } = projectTraining(variables.projection, features);
    const logits = cosineLogits(l2Normalize(projected), matrix, model.logitScale);
    const loss = multiply(klSoftmax(teacherLogits, logits, temperature), scalar(options.weight));

    const parameters = [
      ...variables.prompts,
      ...PROJECTION_PARAMETERS.map((name) => variables.projection[name]),
    ];
    const gradients = grad(loss, parameters);
    const optimiser = sgd(parameters, gradients, rate, options);
    const plan = await Plan.compile(
      gpu,
      { outputs: [loss, teacherLogits, logits, ...gradients], updates: [...optimiser.updates, update] },
      compile,
    );
    return new StudentStep(
      gpu,
      images,
      teacherInput,
      rate,
      loss,
      teacherLogits,
      logits,
      parameters,
      gradients,
      optimiser,
      plan,
    );
  }

  /** Queues one step on what is in `images` and `teacherInput`. */
  run(learningRate: number): void {
    write(this.gpu, this.rate, Float32Array.of(learningRate));
    this.plan.run();
  }

  /** The loss of the last step queued. */
  async readLoss(): Promise<number> {
    return (await this.plan.read(this.loss))[0]!;
  }
}
