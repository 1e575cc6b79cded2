/** Settings of both stages: every hyper-parameter, with the paper's value as its default. */
import * as v from 'valibot';
import { UserError } from '../../engine/errors.js';

const count = (least: number) => v.pipe(v.number(), v.integer(), v.minValue(least));
const positive = v.pipe(v.number(), v.gtValue(0));
const path = v.pipe(v.string(), v.minLength(1));

/** What both stages have: the data, the order of images and the optimiser (paper: SGD, 20 epochs, batch 8, 0.005). */
const common = {
  /** Folder (or file) of the data set. */
  data: path,
  /** Which data set, when `data` holds several known ones. */
  dataset: v.optional(v.string()),
  seed: v.optional(count(0), 1),
  batch: v.optional(count(1), 8),
  epochs: v.optional(count(1), 20),
  learningRate: v.optional(positive, 0.005),
  warmupEpochs: v.optional(count(0), 1),
  warmupLearningRate: v.optional(positive, 1e-5),
  momentum: v.optional(v.pipe(v.number(), v.minValue(0), v.ltValue(1)), 0.9),
  weightDecay: v.optional(v.pipe(v.number(), v.minValue(0)), 5e-4),
  /** Blocks with prompts in the image encoder; default 9, or all when there are fewer. */
  visionDepth: v.optional(count(1)),
  visionLength: v.optional(count(1), 4),
  /** Fixed random crops of each image, whose frozen features are then computed once; 0: new crops every epoch. */
  views: v.optional(count(0), 0),
  /** Compute activations again in the backward pass: a fraction of the memory for about a third more work. */
  recompute: v.optional(v.boolean(), false),
  /** Smallest share of an image that a random crop covers. */
  cropScale: v.optional(v.pipe(v.number(), v.gtValue(0), v.maxValue(1)), 0.08),
};

export const TeacherSettingsSchema = v.strictObject({
  ...common,
  /** Checkpoint of the CLIP to tune: a folder with its tokenizer. */
  clip: path,
  /** Its tokenizer, when that is not in the checkpoint's folder. */
  tokenizer: v.optional(path),
  classes: v.optional(v.picklist(['base', 'novel', 'all']), 'base'),
  /** Labelled images a class; 0: all. */
  shots: v.optional(count(0), 16),
  textDepth: v.optional(count(1)),
  textLength: v.optional(count(1), 4),
  /** Words that the context starts from. */
  contextInit: v.optional(v.string(), 'a photo of a'),
  /** Weights of the two L1 losses of PromptSRC. */
  textWeight: v.optional(v.pipe(v.number(), v.minValue(0)), 25),
  imageWeight: v.optional(v.pipe(v.number(), v.minValue(0)), 10),
  /** Gaussian over epochs for the averaged prompts; default mean: three quarters of the epochs (15 of 20). */
  averageMean: v.optional(v.number()),
  averageDeviation: v.optional(positive, 1),
});
export type TeacherSettings = v.InferOutput<typeof TeacherSettingsSchema>;

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
  temperature: v.optional(positive, 1),
  /** Weight of the distillation loss; the paper's script: 1000, or 200 for Aircraft, Flowers and DTD. */
  kdWeight: v.optional(positive, 1000),
  /** The epoch to keep: the last, the best on the validation split, or (the reference's way) the best on the test set. */
  select: v.optional(v.picklist(['last', 'val', 'reference']), 'last'),
  /** Classes whose images decide between epochs: base in base-to-novel, all in cross-dataset. */
  selectClasses: v.optional(v.picklist(['base', 'all']), 'base'),
});
export type StudentSettings = v.InferOutput<typeof StudentSettingsSchema>;

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
      `${origin}: unknown field "${field}"`,
      `the fields are: ${Object.keys((schema as unknown as { entries: object }).entries).join(', ')}`,
    );
  throw new UserError(
    `${origin}: ${field}: ${issue.message}`,
    'correct the value, or leave the field out for its default',
  );
}
