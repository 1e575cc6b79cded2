/** Settings whose defaults depend on the method and on the model, and settings that contradict each other. */
import { UserError } from '../../../engine/errors.js';
import type { CosineSchedule } from '../../../engine/train/optim.js';
import type { ClipConfig } from '../../clip/config.js';
import type { DistillationLoss, StudentSettings, TeacherSettings } from './settings.js';

/** The paper's prompt depth; models with fewer blocks take all of theirs. */
export const DEFAULT_DEPTH = 9;

interface MethodDefaults {
  readonly textDepth: number;
  readonly visionDepth: number;
  /** Tokens of the context; CoOp takes as many as there are initial words, if there are any. */
  readonly textLength: number;
  readonly contextInit: string;
  readonly learningRate: number;
  readonly batch: number;
  readonly epochs: number;
}

const PROMPTSRC: MethodDefaults = {
  textDepth: DEFAULT_DEPTH,
  visionDepth: DEFAULT_DEPTH,
  textLength: 4,
  contextInit: 'a photo of a',
  learningRate: 0.005,
  batch: 8,
  epochs: 20,
};

/** What the authors of the methods train with (docs/method.md 1.1); `clip` trains nothing. */
export const METHOD_DEFAULTS: Readonly<Record<'promptsrc' | 'ivlp' | 'coop', MethodDefaults>> = {
  promptsrc: PROMPTSRC,
  ivlp: PROMPTSRC,
  coop: {
    textDepth: 1,
    visionDepth: 0,
    textLength: 16,
    contextInit: '',
    learningRate: 0.002,
    batch: 32,
    epochs: 50,
  },
};

/** The batch size of stage 2 that the paper's learning rate is for. */
export const PAPER_BATCH = 8;

interface RateSettings {
  readonly learningRate: number;
  readonly epochs: number;
  readonly warmupEpochs: number;
  readonly warmupLearningRate: number;
  readonly batch: number;
  readonly accumulate: number;
  readonly scaleLr: boolean;
}

/**
 * The optimiser's settings as a schedule. With `scaleLr` the rate grows with the images of an update, as PromptKD's authors
 * advise: 0.005 for 8, 0.08 for 128, 0.16 for 256 (docs/method.md 3.4). The warm-up rate stays.
 *
 * @param base images of an update that `learningRate` is meant for
 */
export const schedule = (settings: RateSettings, base: number): CosineSchedule => ({
  rate: settings.learningRate * (settings.scaleLr ? (settings.batch * settings.accumulate) / base : 1),
  epochs: settings.epochs,
  warmupEpochs: settings.warmupEpochs,
  warmupRate: settings.warmupLearningRate,
});

/** The default of a field of stage 1 in words; undefined for one that does not depend on the method alone. */
export function methodDefault(field: string): string | undefined {
  const known: readonly string[] = ['epochs', 'batch', 'learningRate', 'textLength', 'contextInit'];
  if (!known.includes(field)) return undefined;
  const { promptsrc, coop } = METHOD_DEFAULTS;
  return `${promptsrc[field as keyof MethodDefaults]}; coop: ${coop[field as keyof MethodDefaults] || 'none'}`;
}

/** Settings of stage 1 with every default filled in. */
export type ResolvedTeacher = TeacherSettings &
  MethodDefaults & { readonly method: keyof typeof METHOD_DEFAULTS; readonly averageMean: number };

/** @throws UserError when the settings contradict each other */
export function resolveTeacher(
  given: TeacherSettings & { method: keyof typeof METHOD_DEFAULTS },
  { text, vision }: ClipConfig,
): ResolvedTeacher {
  const defaults = METHOD_DEFAULTS[given.method];
  const words = given.contextInit?.split(' ').filter(Boolean).length;
  const settings = {
    ...given,
    textDepth: given.textDepth ?? Math.min(defaults.textDepth, text.layers),
    visionDepth: given.visionDepth ?? Math.min(defaults.visionDepth, vision.layers),
    textLength: given.textLength ?? ((given.method === 'coop' && words) || defaults.textLength),
    contextInit: given.contextInit ?? defaults.contextInit,
    learningRate: given.learningRate ?? defaults.learningRate,
    batch: given.batch ?? defaults.batch,
    epochs: given.epochs ?? defaults.epochs,
  };
  if (settings.method === 'coop' && (settings.textDepth !== 1 || settings.visionDepth !== 0))
    throw new UserError(
      'the method coop learns a text context alone',
      'leave textDepth and visionDepth out, or use the method ivlp',
    );
  if (settings.template !== undefined)
    throw new UserError(
      `the method ${settings.method} makes its own template`,
      'leave the template out, or set contextInit',
    );
  return { ...settings, averageMean: given.averageMean ?? Math.round(0.75 * settings.epochs) };
}

/**
 * Default weight of the distillation loss. Those of the features start with gradients of the size that KL has at its
 * weight and 1000 classes (docs/ablations.md).
 */
const KD_WEIGHTS: Readonly<Record<DistillationLoss, number>> = {
  kl: 1000,
  'symmetric-kl': 1000,
  l1: 1000,
  mse: 10_000,
};

/** Settings of stage 2 with every default filled in. */
export type ResolvedStudent = StudentSettings & {
  readonly visionDepth: number;
  readonly projectionLayers: number;
  readonly kdWeight: number;
};

/** @throws UserError when the settings contradict each other */
export function resolveStudent(given: StudentSettings, { vision }: ClipConfig): ResolvedStudent {
  const { train, textFeatures, kdLoss, batch } = given;
  const prompted = train === 'prompts';
  const settings = {
    ...given,
    visionDepth: given.visionDepth ?? (prompted ? Math.min(DEFAULT_DEPTH, vision.layers) : 0),
    projectionLayers: given.projectionLayers ?? (textFeatures === 'teacher' ? 2 : 0),
    kdWeight: given.kdWeight ?? KD_WEIGHTS[kdLoss],
  };
  const { visionDepth, projectionLayers } = settings;
  if (batch < 2 && projectionLayers > 1)
    throw new UserError(
      'a batch of 1 has no batch statistics',
      'set the batch size to 2 or more, or use a projection of 1 layer',
    );
  if (train === 'projection' && visionDepth > 0)
    throw new UserError(
      'prompts would not be trained when the projection alone is',
      'leave visionDepth out, or set train to prompts',
    );
  if (train !== 'all' && visionDepth === 0 && projectionLayers === 0)
    throw new UserError(
      'there is nothing to train: no prompts and no projection',
      'set visionDepth or projectionLayers, or set train to all',
    );
  if (textFeatures === 'student' && (kdLoss === 'l1' || kdLoss === 'mse'))
    throw new UserError(
      `kdLoss ${kdLoss} compares features with the teacher's, whose space the student's own text features do not share`,
      'set kdLoss to kl, or textFeatures to teacher',
    );
  return settings;
}

/** @throws UserError when a student without a projection cannot be compared with the class vectors */
export function checkEmbeddings(
  { projectionLayers }: ResolvedStudent,
  student: number,
  classes: number,
): void {
  if (projectionLayers === 0 && student !== classes)
    throw new UserError(
      `without a projection the student's features of length ${student} cannot be compared with class vectors of ` +
        `length ${classes}`,
      'set projectionLayers to 1, 2 or 3, or textFeatures to student',
    );
}
