/** Settings whose defaults depend on the method and on the model, and settings that contradict each other. */
import * as v from 'valibot';
import { type CosineSchedule, UserError } from '../../../engine/index.js';
import type { ClipConfig } from '../../clip/config.js';
import { lossNames, lossOf } from './losses.js';
import { PROJECTION_LAYERS } from './projection.js';
import { checkPromptShape } from './prompts.js';
import {
  parseSettings,
  type StudentSettings,
  StudentSettingsSchema,
  type TeacherMethod,
  type TeacherSettings,
  TeacherSettingsSchema,
  type WithoutFiles,
} from './settings.js';

/** The paper's prompt depth; models with fewer blocks take all of theirs. */
const DEFAULT_DEPTH = 9;

type MethodDefaults = Required<
  Pick<
    TeacherSettings,
    'textDepth' | 'visionDepth' | 'textLength' | 'contextInit' | 'learningRate' | 'batch' | 'epochs'
  >
>;

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
export const METHOD_DEFAULTS: Readonly<Record<Exclude<TeacherMethod, 'clip'>, MethodDefaults>> = {
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

/** What of the settings decides the learning rate. */
export type RateSettings = Pick<
  StudentSettings,
  'learningRate' | 'epochs' | 'warmupEpochs' | 'warmupLearningRate' | 'batch' | 'accumulate' | 'scaleLr'
>;

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

/** A method that trains something. */
export type TuningMethod = keyof typeof METHOD_DEFAULTS;

/** Settings of stage 1 with every default filled in. */
export type ResolvedTeacher<S = WithoutFiles<TeacherSettings>> = S &
  MethodDefaults & { readonly method: TuningMethod; readonly averageMean: number };

/**
 * Stage 1's settings for this CLIP.
 *
 * @throws UserError when the settings contradict each other or do not fit the CLIP
 */
export function resolveTeacher<S extends WithoutFiles<TeacherSettings>>(
  requested: S & { readonly method: TuningMethod },
  config: ClipConfig,
): ResolvedTeacher<S> {
  const defaults = METHOD_DEFAULTS[requested.method];
  const words = requested.contextInit?.split(' ').filter(Boolean).length;
  const settings = {
    ...requested,
    textDepth: requested.textDepth ?? Math.min(defaults.textDepth, config.text.layers),
    visionDepth: requested.visionDepth ?? Math.min(defaults.visionDepth, config.vision.layers),
    // CoOp takes as many tokens as there are initial words, if there are any.
    textLength: requested.textLength ?? ((requested.method === 'coop' && words) || defaults.textLength),
    contextInit: requested.contextInit ?? defaults.contextInit,
    learningRate: requested.learningRate ?? defaults.learningRate,
    batch: requested.batch ?? defaults.batch,
    epochs: requested.epochs ?? defaults.epochs,
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
  checkPromptShape(settings, config);
  return { ...settings, averageMean: requested.averageMean ?? Math.round(0.75 * settings.epochs) };
}

/** Settings of stage 2 with every default filled in. */
export type ResolvedStudent<S = WithoutFiles<StudentSettings>> = S &
  Required<Pick<StudentSettings, 'visionDepth' | 'projectionLayers' | 'kdWeight'>>;

/**
 * Stage 2's settings for this student.
 *
 * @throws UserError when the settings contradict each other or do not fit the CLIP
 */
export function resolveStudent<S extends WithoutFiles<StudentSettings>>(
  requested: S,
  config: ClipConfig,
): ResolvedStudent<S> {
  const { train, textFeatures, kdLoss, batch } = requested;
  const prompted = train === 'prompts';
  const { compares, weight } = lossOf(kdLoss);
  const settings = {
    ...requested,
    visionDepth: requested.visionDepth ?? (prompted ? Math.min(DEFAULT_DEPTH, config.vision.layers) : 0),
    projectionLayers: requested.projectionLayers ?? (textFeatures === 'teacher' ? PROJECTION_LAYERS : 0),
    kdWeight: requested.kdWeight ?? weight,
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
  if (textFeatures === 'student' && compares === 'features')
    throw new UserError(
      `kdLoss ${kdLoss} compares features with the teacher's, whose space the student's own text features do not share`,
      `set kdLoss to ${lossNames('logits').join(' or ')}, or textFeatures to teacher`,
    );
  checkPromptShape({ ...settings, textDepth: 0, textLength: 0 }, config);
  return settings;
}

/** Stage 1's settings with every default, for plans of a CLIP whose files are not named. */
export const defaultTeacher = (
  config: ClipConfig,
  requested: Partial<WithoutFiles<TeacherSettings>> & { readonly method?: TuningMethod } = {},
): ResolvedTeacher => {
  const schema = v.partial(TeacherSettingsSchema, ['clip', 'data']);
  const { method, ...settings } = parseSettings(schema, requested, 'the settings');
  return resolveTeacher({ ...settings, method: method as TuningMethod }, config);
};

/** The same of stage 2. */
export const defaultStudent = (
  config: ClipConfig,
  requested: Partial<WithoutFiles<StudentSettings>> = {},
): ResolvedStudent =>
  resolveStudent(
    parseSettings(v.partial(StudentSettingsSchema, ['clip', 'data', 'teacher']), requested, 'the settings'),
    config,
  );

/** @throws UserError when a student without a projection cannot be compared with the class vectors */
export function checkVectorLength(
  { projectionLayers }: Pick<ResolvedStudent, 'projectionLayers'>,
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
