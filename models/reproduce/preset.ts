/** Presets: the settings of both stages for one of the paper's experiments, and the numbers that it published. */
import * as v from 'valibot';
import { UserError } from '../../engine/index.js';
import { parseSettings, StudentSettingsSchema, TeacherSettingsSchema } from '../promptkd/shared/settings.js';
import { readYaml } from '../runs/runFolder.js';

/** Some fields of a stage's settings. */
export type Fields = Readonly<Record<string, unknown>>;
const STAGES = { teacher: TeacherSettingsSchema, student: StudentSettingsSchema } as const;
/** A stage that a preset has settings for. */
export type PresetStage = keyof typeof STAGES;

const fields = v.optional(v.record(v.string(), v.unknown()), {});
const stages = { teacher: fields, student: fields };
const percent = v.pipe(v.number(), v.minValue(0), v.maxValue(100));
/** Base, novel and their harmonic mean; or the accuracy on all classes. */
const results = v.optional(
  v.record(v.string(), v.union([v.strictTuple([percent, percent, percent]), percent])),
  {},
);

const PresetSchema = v.strictObject({
  description: v.string(),
  setting: v.picklist(['base-to-novel', 'cross-dataset']),
  /** Cross-dataset: what the teacher is tuned on. */
  source: v.optional(v.string()),
  ...stages,
  /** What differs from data set to data set, by the names of `LAYOUTS`. */
  datasets: v.optional(v.record(v.string(), v.strictObject(stages)), {}),
  published: v.optional(v.strictObject({ source: v.string(), student: results, teacher: results })),
});
/** One of the paper's experiments. */
export type Preset = v.InferOutput<typeof PresetSchema>;
/** How classes of training and of testing relate. */
export type Setting = Preset['setting'];

/**
 * Reads a preset. Settings are checked field by field; what a preset leaves out keeps its default.
 *
 * @throws UserError naming the file, the field and what it may be
 */
export function parsePreset(text: string, file: string): Preset {
  const preset = parseSettings(PresetSchema, readYaml(file, text) ?? {}, file);
  for (const part of [preset, ...Object.values(preset.datasets)])
    for (const stage of ['teacher', 'student'] as const) checkFields(stage, part[stage], `${file}, ${stage}`);
  if (preset.setting === 'cross-dataset' && preset.source === undefined)
    throw new UserError(`${file}: source is missing`, 'name the data set that the teacher is tuned on');
  return preset;
}

/** Checks fields of a stage without asking for those that are not there. */
export function checkFields(stage: PresetStage, given: Fields, origin: string): void {
  parseSettings<object>(v.partial(STAGES[stage] as typeof TeacherSettingsSchema), given, origin);
}

/** What a preset says about a stage, for a data set where one is named. */
export function presetFields(preset: Preset, stage: PresetStage, dataset?: string): Fields {
  return { ...preset[stage], ...(dataset !== undefined && preset.datasets[dataset]?.[stage]) };
}
