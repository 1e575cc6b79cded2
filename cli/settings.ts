/** Settings on the command line: a flag for every field of a stage's schema, and `--config FILE`. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import * as v from 'valibot';
import { UserError } from '../engine/errors.js';
import { readable } from '../formats/fileErrors.js';
import { knownName } from '../models/datasets/layouts.js';
import type { Platform } from '../models/platform.js';
import { methodDefault } from '../models/promptkd/shared/defaults.js';
import {
  type PlannedSettings,
  parseSettings,
  StudentSettingsSchema,
  TeacherSettingsSchema,
} from '../models/promptkd/shared/settings.js';
import { checkFields, presetFields } from '../models/reproduce/preset.js';
import { CONFIG, readYaml } from '../models/runs/runFolder.js';
import { CHECKPOINT_MINUTES } from '../models/runs/train.js';
import { FIELDS, type Field } from './options/fields.js';
import { loadPreset, presetHelp } from './options/presets.js';

const STAGES = { teacher: TeacherSettingsSchema, student: StudentSettingsSchema } as const;
/** A training stage, as run folders name it. */
export type Stage = keyof typeof STAGES;
/** The complete settings of a stage. */
export type SettingsOf<S extends Stage> = v.InferOutput<(typeof STAGES)[S]>;

/** Flags of `addSettingsOptions` beside the settings themselves. */
export interface SettingsFlags {
  readonly preset?: string;
  readonly config?: string;
  readonly out: string;
  readonly resume?: boolean;
  readonly checkpointMinutes?: number;
  readonly tensorboard?: boolean;
  readonly strict?: boolean;
}

/** The same for a run that is planned, with the settings themselves. */
export type PlannedFlags = Partial<SettingsFlags> & Readonly<Partial<Record<Field, unknown>>>;

/** The settings of a stage. */
export const fieldsOf = (stage: Stage): Field[] =>
  (Object.keys(FIELDS) as Field[]).filter((field) => field in STAGES[stage].entries);

/** The flag of a setting. `shown` follows the description in `--help`. */
export function settingOption(stage: Stage, field: Field, shown = ''): Option {
  const [value, help] = FIELDS[field];
  const name = `--${kebab(field)}`;
  const flag = value === '' ? name : value.startsWith('[') ? `${name} ${value}` : `${name} <${value}>`;
  const option = new Option(flag, value === '' ? help : `${help}${shown}`);
  return isNumber(STAGES[stage].entries, field) ? option.argParser(parseNumber) : option;
}

/** `--checkpoint-minutes` is not a setting of a run, as it does not change the result. */
export const checkpointOption = (): Option =>
  new Option(
    '--checkpoint-minutes <n>',
    'also write a checkpoint within an epoch when the last one is this many minutes old',
  )
    .argParser(parseMinutes)
    .default(CHECKPOINT_MINUTES);

function parseMinutes(text: string): number {
  const value = parseNumber(text);
  if (value < 0) throw new InvalidArgumentError('Give a number, 0 or more.');
  return value;
}

/** Adds a flag for every setting of the stage, and `--preset`, `--config`, `--out`, `--resume`. */
export function addSettingsOptions(command: Command, stage: Stage): Command {
  const defaults = v.getDefaults(STAGES[stage]) as Record<string, unknown>;
  command
    .option('--preset <name>', "settings of one of the paper's experiments; --config and flags override them")
    .addHelpText('after', presetHelp)
    .option('--out <folder>', 'run folder to create (required)')
    .option(
      '--config <file>',
      'settings from a YAML file, such as the config.yaml of a run; flags override them',
    )
    .option('--resume', 'continue the run in --out, with its settings unless others are given')
    .addOption(checkpointOption())
    .option('--tensorboard', 'also write event files for TensorBoard to the folder tensorboard/ of the run')
    .option('--strict', 'treat any broken image as an error: --max-broken 0');
  for (const field of fieldsOf(stage)) {
    const fallback = defaults[field] ?? (stage === 'teacher' ? methodDefault(field) : undefined);
    const known = fallback === undefined ? '' : ` (default: ${fallback})`;
    command.addOption(settingOption(stage, field, isOptional(stage, field) ? known : ' (required)'));
  }
  return command;
}

/**
 * The settings of a run: flags override `--config`, which overrides the preset, which overrides the defaults. Without
 * `--config`, a run that is continued takes the settings in its own folder.
 *
 * @throws UserError naming the file or flag, the field and its allowed values
 */
export async function readSettings<S extends Stage>(
  platform: Platform,
  stage: S,
  flags: SettingsFlags,
): Promise<SettingsOf<S>> {
  if (flags.out === undefined)
    throw new UserError('--out is missing', 'give --out FOLDER, the run folder to create');
  return completeSettings(platform, stage, flags, STAGES[stage]);
}

/**
 * The same for a run that is planned: it needs neither an output folder nor data.
 *
 * @throws UserError naming the file or flag, the field and its allowed values
 */
export async function readPlannedSettings<S extends Stage>(
  platform: Platform,
  stage: S,
  flags: PlannedFlags,
): Promise<PlannedSettings<SettingsOf<S>>> {
  const schema: v.GenericSchema = v.partial(STAGES[stage] as typeof TeacherSettingsSchema, ['data']);
  return completeSettings(platform, stage, flags, schema, 'data');
}

async function completeSettings<T extends object>(
  platform: Platform,
  stage: Stage,
  flags: PlannedFlags,
  schema: v.GenericSchema,
  optional?: Field,
): Promise<T> {
  const fields = Object.keys(STAGES[stage].entries);
  const own = flags.out === undefined ? undefined : platform.join(flags.out, CONFIG);
  const continued = flags.resume && own !== undefined && (await platform.stat(own)) !== undefined;
  const file = flags.config ?? (continued ? own : undefined);
  const fromFile = file === undefined ? {} : await readSettingsFile(platform, stage, file);
  const flagged = { ...flags, ...(flags.strict && { maxBroken: 0 }) };
  const given = Object.entries(flagged).filter(
    ([field, value]) => fields.includes(field) && value !== undefined,
  );
  // Keep the file's order of fields, so that config.yaml reads like the file it came from.
  const said: Record<string, unknown> = { ...fromFile, ...Object.fromEntries(given) };
  const merged: Record<string, unknown> = {
    ...(flags.preset !== undefined && (await fieldsOfPreset(platform, stage, flags.preset, said))),
    ...said,
  };
  for (const field of fields)
    if (merged[field] === undefined && field !== optional && !isOptional(stage, field as Field))
      throw new UserError(
        `--${kebab(field)} is missing: ${FIELDS[field as Field][1]}`,
        flags.resume && own && !continued
          ? `there is no ${own} to continue from: give all settings again, and the run starts from the beginning`
          : `give --${kebab(field)} ${FIELDS[field as Field][0].toUpperCase()}, or "${field}: ..." in the file of --config`,
      );
  return inOrderOf(Object.keys(fromFile), parseSettings(schema, merged, 'the command line') as T);
}

/** The settings of a preset, with those for the data set if it is a known one. */
async function fieldsOfPreset(
  platform: Platform,
  stage: Stage,
  name: string,
  { data, dataset }: Readonly<Record<string, unknown>>,
): Promise<object> {
  const preset = await loadPreset(platform, name);
  const known =
    typeof data === 'string' ? await knownName(platform, data, dataset as string | undefined) : undefined;
  return presetFields(preset, stage, known);
}

/**
 * The fields of a settings file, checked. A `kind`, as in a run's config.yaml, must be the stage's.
 *
 * @throws UserError naming the file and what is wrong in it
 */
export async function readSettingsFile(
  platform: Platform,
  stage: Stage,
  file: string,
): Promise<Readonly<Record<string, unknown>>> {
  const content = readYaml(file, await platform.readText(file)) ?? {};
  if (typeof content !== 'object' || Array.isArray(content))
    throw new UserError(`${file} holds no settings`, 'write one "field: value" per line');
  const { kind, ...fields } = content as Record<string, unknown>;
  if (kind !== undefined && kind !== stage)
    throw new UserError(
      readable(`${file} holds the settings of a ${typeof kind === 'string' ? kind : 'different'} run`),
      `give the settings of a ${stage} run`,
    );
  // Fields that are missing here may come as flags.
  checkFields(stage, fields, file);
  return fields;
}

function inOrderOf<T extends object>(order: readonly string[], settings: T): T {
  const keys = [...order.filter((key) => key in settings), ...Object.keys(settings)] as (keyof T)[];
  return Object.fromEntries([...new Set(keys)].map((key) => [key, settings[key]])) as T;
}

/** `learningRate` -> `learning-rate`. */
/** A setting's name as its flag has it. */
export const kebab = (field: string): string =>
  field.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/** Whether a run can do without a field, or has a default for it. */
const isOptional = (stage: Stage, field: Field): boolean =>
  (STAGES[stage].entries as Partial<Record<Field, { readonly type: string }>>)[field]?.type === 'optional';

/** Whether a field of a schema is a number, with or without a default. */
function isNumber(entries: Readonly<Record<string, unknown>>, field: string): boolean {
  const entry = entries[field] as { type: string; wrapped?: { type: string } };
  return (entry.wrapped ?? entry).type === 'number';
}

/**
 * Parses a whole number, 1 or more.
 *
 * @throws InvalidArgumentError
 */
export function parseCount(text: string): number {
  if (!/^[1-9]\d*$/.test(text)) throw new InvalidArgumentError('Give a whole number, 1 or more.');
  return Number(text);
}

/**
 * Parses a finite number.
 *
 * @throws InvalidArgumentError
 */
export function parseNumber(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value)) throw new InvalidArgumentError('Give a number.');
  return value;
}
