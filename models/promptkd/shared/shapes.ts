/**
 * Plans of both stages without weights, data or a device: what a job will need, known before anything is loaded, and
 * the graphs that shader checks compile.
 */

import type { Capabilities } from '../../../engine/capabilities.js';
import { type PlanDescription, type PlanRequest, Schedule } from '../../../engine/gpu/schedule.js';
import { constant, input, type Tensor, variable } from '../../../engine/graph/tensor.js';
import { type ClipConfig, expectedShapes } from '../../clip/config.js';
import type { ClipGraph } from '../../clip/model.js';
import { activationDtype, type Precision, weightDtype } from '../../clip/precision.js';
import { encodeText } from '../../clip/text.js';
import { Weights } from '../../clip/weights.js';
import { teacherGraph } from '../stage1/step.js';
import { studentGraph, studentLogits } from '../stage2/step.js';
import { METHOD_DEFAULTS } from './defaults.js';
import { PROJECTION_LAYERS, projectionShapes } from './projection.js';
import type { DistillationLoss, StudentSettings } from './settings.js';

const tower = (width: number, layers: number) => ({ width, layers, heads: width / 64 });

export type KnownModel = 'ViT-B/32' | 'ViT-B/16' | 'ViT-L/14' | 'ViT-L/14@336px';

/** The published models whose shapes users will run. */
export const KNOWN_MODELS: Readonly<Record<KnownModel, ClipConfig>> = {
  'ViT-B/32': describe(512, tower(768, 12), 32, 224, tower(512, 12)),
  'ViT-B/16': describe(512, tower(768, 12), 16, 224, tower(512, 12)),
  'ViT-L/14': describe(768, tower(1024, 24), 14, 224, tower(768, 12)),
  'ViT-L/14@336px': describe(768, tower(1024, 24), 14, 336, tower(768, 12)),
};

export const isKnownModel = (name: string): name is KnownModel => name in KNOWN_MODELS;

function describe(
  embed: number,
  vision: ReturnType<typeof tower>,
  patch: number,
  resolution: number,
  text: ReturnType<typeof tower>,
): ClipConfig {
  return {
    embed,
    vision: { ...vision, patch, resolution, tokens: (resolution / patch) ** 2 + 1 },
    text: { ...text, vocabulary: 49408, contextLength: 77 },
    activation: 'quickGelu',
    layerNormEps: 1e-5,
  };
}

/** A model of that architecture without data: enough to record and schedule graphs. */
export function shapeOnlyModel(
  config: ClipConfig,
  {
    trainable = false,
    precision = 'f32',
    capabilities,
  }: { trainable?: boolean; precision?: Precision; capabilities?: Capabilities } = {},
): ClipGraph {
  const tensors = [...expectedShapes(config)].map(([name, shape]): [string, Tensor] => [
    name,
    trainable
      ? variable(undefined, shape, name)
      : constant(undefined, shape, name, weightDtype(name, shape, precision)),
  ]);
  const activations = activationDtype(trainable ? 'f32' : precision, capabilities);
  return { config, weights: new Weights(new Map(tensors), activations), logitScale: 100 };
}

/** What decides the size of a step beside the models. */
export interface StepShape {
  readonly classes: number;
  readonly batch: number;
  readonly accumulate?: number;
  /** Tokens of the longest class prompt, with start and end. */
  readonly textLength?: number;
  readonly depth?: number;
  readonly recompute?: boolean;
  readonly precision?: Precision;
  /** Of the adapter that will run it, which decides how float16 activations are stored (default: no tensor cores). */
  readonly capabilities?: Capabilities;
  /** Of the teacher (default promptsrc). */
  readonly method?: keyof typeof METHOD_DEFAULTS;
  /** Of the student; defaults as in its settings. */
  readonly train?: StudentSettings['train'];
  readonly projectionLayers?: number;
  readonly textFeatures?: StudentSettings['textFeatures'];
  readonly kdLoss?: DistillationLoss;
}

/** Words of a class name and its prompt, roughly: "a photo of a", the name, full stop, start and end. */
const USUAL_TEXT_LENGTH = 16;

/** The step of stage 1, as a request without data. */
export function teacherRequest(config: ClipConfig, shape: StepShape): PlanRequest {
  const { classes, batch, textLength = USUAL_TEXT_LENGTH, recompute = false, method = 'promptsrc' } = shape;
  const { textDepth, visionDepth } = METHOD_DEFAULTS[method];
  const text = Math.min(method === 'coop' ? textDepth : (shape.depth ?? textDepth), config.text.layers);
  const vision = Math.min(shape.depth ?? visionDepth, config.vision.layers);
  const { losses, updates } = teacherGraph(
    shapeOnlyModel(config, shape),
    { text: promptLeaves(text, config.text.width), vision: promptLeaves(vision, config.vision.width) },
    {
      embedded: constant(undefined, [classes, textLength, config.text.width], 'embedded classes'),
      endRows: input([classes], 'end-of-text rows', 'i32'),
      frozenText: constant(undefined, [classes, config.embed], 'frozen text features'),
    },
    {
      batch,
      momentum: 0.9,
      weightDecay: 5e-4,
      textWeight: 25,
      imageWeight: 10,
      recompute,
      method,
      accumulate: shape.accumulate,
    },
  );
  return { outputs: [losses.total], updates, loss: losses.total };
}

/** The text encoder over the prompts of a class set, as a request without data. */
export function textRequest(config: ClipConfig, shape: StepShape): PlanRequest {
  const { classes, textLength = USUAL_TEXT_LENGTH, depth = 0 } = shape;
  const { weights } = shapeOnlyModel(config, shape);
  const { width, layers } = config.text;
  const embedded = input([classes, textLength, width], 'embedded tokens');
  const endRows = input([classes], 'end-of-text rows', 'i32');
  const prompts = promptLeaves(Math.min(depth, layers), width);
  return { outputs: [encodeText(weights, config, embedded, endRows, prompts)] };
}

/** The step of stage 2 and the student's evaluation, as requests without data. */
export function studentRequests(
  teacher: ClipConfig,
  student: ClipConfig,
  shape: StepShape,
): { train: PlanRequest; evaluate: PlanRequest } {
  const { classes, batch, train = 'prompts', textFeatures = 'teacher', recompute = false, kdLoss } = shape;
  const own = textFeatures === 'student';
  const outputs = own ? student.embed : teacher.embed;
  const { projectionLayers = own ? 0 : PROJECTION_LAYERS, depth = train === 'prompts' ? 9 : 0 } = shape;
  const projection = Object.fromEntries(
    Object.entries(projectionShapes(student.embed, outputs, projectionLayers)).map(([name, size]) => [
      name,
      variable(undefined, size, name),
    ]),
  );
  const prompts = promptLeaves(Math.min(depth, student.vision.layers), student.vision.width);
  const vectors = constant(undefined, [classes, outputs], 'class vectors');
  const shared = own ? constant(undefined, [classes, teacher.embed], "the teacher's class vectors") : vectors;
  const model = shapeOnlyModel(student, { ...shape, trainable: train === 'all' });
  const weights = train === 'all' ? model.weights.all().filter((w) => w.label.startsWith('visual.')) : [];
  const teacherPrompts = promptLeaves(
    Math.min(shape.depth ?? 9, teacher.vision.layers),
    teacher.vision.width,
  );
  const { loss, updates } = studentGraph(
    model,
    { prompts, projection, weights },
    vectors,
    {
      model: shapeOnlyModel(teacher, shape),
      prompts: teacherPrompts,
      classes: shared,
    },
    {
      batch,
      momentum: 0.9,
      weightDecay: 5e-4,
      temperature: 1,
      weight: 1000,
      recompute,
      kdLoss,
      accumulate: shape.accumulate,
    },
  );
  const { resolution } = student.vision;
  const images = input([batch, 3, resolution, resolution], 'images');
  const logits = studentLogits(model, { prompts, projection }, vectors, images);
  return { train: { outputs: [loss], updates, loss }, evaluate: { outputs: [logits] } };
}

const promptLeaves = (depth: number, width: number): Tensor[] =>
  Array.from({ length: depth }, (_, i) => variable(undefined, [4, width], `prompt.${i}`));

/** An adapter of no special abilities, for schedules without a device. */
export const PORTABLE: Capabilities = {
  f16: false,
  subgroups: false,
  subgroupMatrix: [],
  workgroupMemory: 32768,
  timestamps: false,
  software: false,
  level: 'portable',
};

/** Bytes and FLOPs of a request on any adapter. */
export const describeRequest = (request: PlanRequest): PlanDescription =>
  new Schedule(request, PORTABLE).describe();
