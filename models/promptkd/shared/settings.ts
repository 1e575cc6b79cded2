/** Settings of both stages: every hyper-parameter, with the paper's value as its default. */
import * as v from 'valibot';
import { UserError } from '../../../engine/index.js';
import { readable } from '../../../formats/fileErrors.js';
import { DEFAULT_LOSS, lossNames } from './losses.js';

const count = (least: number) => v.pipe(v.number(), v.integer(), v.minValue(least));
const positive = v.pipe(v.number(), v.gtValue(0));
const path = v.pipe(v.string(), v.minLength(1));
const template = v.pipe(v.string(), v.includes('{}', 'it has no {} where the class name goes'));

/** What both stages have: the data, the order of images and the optimiser. */
const common = {
  /** Folder (or file) of the data set. */
  data: path,
  /** Which data set, when `data` holds several known ones. */
  dataset: v.optional(v.string()),
  /** Links in the data folder, and paths in lists and split files, may lead out of it. */
  allowOutside: v.optional(v.boolean(), false),
  /** Share of the images that may be broken: they are skipped and named; more are an error. */
  maxBroken: v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(1)), 0.1),
  /** The CLIP's tokenizer, when that is not in the checkpoint's folder. */
  tokenizer: v.optional(path),
  seed: v.optional(count(0), 1),
  /** Decides the random crops; default `seed`. Runs with the same one see the same crops, whatever their seeds. */
  cropSeed: v.optional(count(0)),
  /** Batches whose gradients are averaged before one update of what is trained. */
  accumulate: v.optional(count(1), 1),
  /** Multiply the learning rate with the images of an update over the paper's batch size (docs/method.md 3.4). */
  scaleLr: v.optional(v.boolean(), false),
  warmupEpochs: v.optional(count(0), 1),
  warmupLearningRate: v.optional(positive, 1e-5),
  momentum: v.optional(v.pipe(v.number(), v.minValue(0), v.ltValue(1)), 0.9),
  weightDecay: v.optional(v.pipe(v.number(), v.minValue(0)), 5e-4),
  /** Blocks with prompts in the image encoder; default 9, or all when there are fewer, where prompts are trained. */
  visionDepth: v.optional(count(0)),
  visionLength: v.optional(count(1), 4),
  /** Fixed random crops of each image, whose frozen features are then computed once; 0: new crops every epoch. */
  views: v.optional(count(0), 0),
  /** Compute activations again in the backward pass: a fraction of the memory for about a third more work. */
  recompute: v.optional(v.boolean(), false),
  /** How frozen matrices are stored on the device, and on tensor cores what stands between them. */
  precision: v.optional(v.picklist(['f32', 'f16']), 'f32'),
  /** Smallest share of an image that a random crop covers. */
  cropScale: v.optional(v.pipe(v.number(), v.gtValue(0), v.maxValue(1)), 0.08),
};

/** How stage 1 tunes; `clip` does not, and makes plain zero-shot CLIP the teacher (docs/method.md 1.1, 6.5). */
const TEACHER_METHODS = ['promptsrc', 'ivlp', 'coop', 'clip'] as const;
/** A method of stage 1. */
export type TeacherMethod = (typeof TEACHER_METHODS)[number];

/** The defaults of what is optional here depend on the method and the model: see `defaults.ts`. */
export const TeacherSettingsSchema = v.strictObject({
  ...common,
  method: v.optional(v.picklist(TEACHER_METHODS), 'promptsrc'),
  /** Checkpoint of the CLIP to tune: a folder with its tokenizer. */
  clip: path,
  classes: v.optional(v.picklist(['base', 'novel', 'all']), 'base'),
  /** Labelled images a class; 0: all. */
  shots: v.optional(count(0), 16),
  batch: v.optional(count(1)),
  epochs: v.optional(count(1)),
  learningRate: v.optional(positive),
  textDepth: v.optional(count(1)),
  textLength: v.optional(count(1)),
  /** Words that the context starts from. */
  contextInit: v.optional(v.string()),
  /** Prompt of plain CLIP with `{}` where the class name goes; default: that of the data set. */
  template: v.optional(template),
  /** Weights of the two L1 losses of PromptSRC. */
  textWeight: v.optional(v.pipe(v.number(), v.minValue(0)), 25),
  imageWeight: v.optional(v.pipe(v.number(), v.minValue(0)), 10),
  /** Gaussian over epochs for PromptSRC's averaged prompts; default mean: three quarters of the epochs (15 of 20). */
  averageMean: v.optional(v.number()),
  averageDeviation: v.optional(positive, 1),
});
/** Settings of stage 1. */
export type TeacherSettings = v.InferOutput<typeof TeacherSettingsSchema>;

/** Settings of stage 2. */
export const StudentSettingsSchema = v.strictObject({
  ...common,
  /** Run folder of stage 1, or a teacher checkpoint of the authors' code. */
  teacher: path,
  /** The teacher's CLIP: needed by a checkpoint, which lacks token embeddings and tokenizer. */
  teacherClip: v.optional(path),
  /** Checkpoint of the student CLIP. */
  clip: path,
  /** File of stored class vectors; made from the teacher when absent. */
  classVectors: v.optional(path),
  /** Keep the teacher's image features on disk and use those that are there: in this folder, or (true) the user's cache. */
  teacherCache: v.optional(v.union([v.boolean(), path])),
  /** Unlabelled images a class, drawn as few-shot samples are; 0: all (paper, Fig. 4). */
  imagesPerClass: v.optional(count(0), 0),
  batch: v.optional(count(1), 8),
  epochs: v.optional(count(1), 20),
  learningRate: v.optional(positive, 0.005),
  /** What is trained beside the projection: vision prompts, nothing, or all weights of the image encoder (Table 5). */
  train: v.optional(v.picklist(['prompts', 'projection', 'all']), 'prompts'),
  /** Linear layers of the projection (Table 12); default 2, or 0 when the student's own text features are used. */
  projectionLayers: v.optional(v.pipe(count(0), v.maxValue(3))),
  /** Whose text features the student's images are compared with: the teacher's, shared, or the student's own (Table 5). */
  textFeatures: v.optional(v.picklist(['teacher', 'student']), 'teacher'),
  /** Prompt of the student's own text features, with `{}` where the class name goes; default "a photo of a {}.". */
  template: v.optional(template),
  /** What of the teacher the student imitates (paper, Table 4). */
  kdLoss: v.optional(
    v.lazy(() => v.picklist(lossNames())),
    DEFAULT_LOSS,
  ),
  temperature: v.optional(positive, 1),
  /** Weight of the distillation loss; the paper's script: 1000, or 200 for Aircraft, Flowers and DTD. Default: the loss's own. */
  kdWeight: v.optional(positive),
  /** The epoch to keep: the last, the best on the validation split, or (the reference's way) the best on the test set. */
  select: v.optional(v.picklist(['last', 'val', 'reference']), 'last'),
  /** Classes whose images decide between epochs: base in base-to-novel, all in cross-dataset. */
  selectClasses: v.optional(v.picklist(['base', 'all']), 'base'),
  /** Accuracies on the test images go to the metrics after every so many epochs and the last; not given: never. */
  evalEvery: v.optional(count(1)),
});
/** Settings of stage 2. */
export type StudentSettings = v.InferOutput<typeof StudentSettingsSchema>;

/** Settings of a run that is planned, whose data may not be there yet. */
export type PlannedSettings<S extends { readonly data: string }> = Omit<S, 'data'> & {
  readonly data?: string;
};

/** Settings without the files that they name: enough for a plan of a known architecture. */
export type WithoutFiles<S> = Omit<S, 'clip' | 'data' | 'teacher'>;

/**
 * Checks settings and fills in defaults.
 *
 * @param origin the file that they come from, for messages
 * @throws UserError naming the file, the field and what it may be
 */
export function parseSettings<T>(schema: v.GenericSchema<unknown, T>, value: unknown, origin: string): T {
  const result = v.safeParse(schema, value);
  if (result.success) return result.output;
  const issue = result.issues[0]!;
  const field = v.getDotPath(issue) ?? '(file)';
  if (issue.expected === 'never')
    throw new UserError(
      `${origin}: ${readable(`unknown field "${field}"`)}`,
      `the fields are: ${Object.keys((schema as unknown as { entries: object }).entries).join(', ')}`,
    );
  throw new UserError(
    `${origin}: ${readable(`${field}: ${issue.message}`)}`,
    'correct the value, or leave the field out for its default',
  );
}
