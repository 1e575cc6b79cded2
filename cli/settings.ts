/** Settings on the command line: a flag for every field of a stage's schema, and `--config FILE`. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import * as v from 'valibot';
import { UserError } from '../engine/errors.js';
import { knownName } from '../models/datasets/layouts.js';
import { readable } from '../models/fileErrors.js';
import type { Platform } from '../models/platform.js';
import { methodDefault } from '../models/promptkd/shared/defaults.js';
import { lossHelp, lossWeightHelp } from '../models/promptkd/shared/losses.js';
import {
  type PlannedSettings,
  parseSettings,
  type StudentSettings,
  StudentSettingsSchema,
  type TeacherSettings,
  TeacherSettingsSchema,
} from '../models/promptkd/shared/settings.js';
import { checkFields, presetFields } from '../models/reproduce/preset.js';
import { CONFIG, readYaml } from '../models/runs/runFolder.js';
import { loadPreset, presetHelp } from './options/presets.js';

/** A setting of either stage. */
export type Field = keyof TeacherSettings | keyof StudentSettings;

/** The value and the help text of each field's flag. The compiler requires a line for every field. */
const FIELDS: Readonly<Record<Field, readonly [value: string, help: string]>> = {
  clip: ['folder', 'CLIP to train prompts for: a checkpoint, or a folder with a checkpoint and a tokenizer'],
  method: [
    'name',
    'how to tune: promptsrc, ivlp, coop, or clip (no tuning: plain zero-shot CLIP is the teacher)',
  ],
  teacher: ['run', 'run folder of stage 1, or a PromptSRC or IVLP checkpoint (model-best.pth.tar)'],
  teacherClip: ['folder', 'CLIP that the teacher was tuned from; only needed when --teacher is a checkpoint'],
  data: ['folder', 'images: class folders, a known data set, a flat folder, or a text file of image paths'],
  dataset: ['name', 'name of the data set, if the --data folder holds several known ones'],
  allowOutside: ['', 'let links, path lists and split files point outside the data folder'],
  maxBroken: [
    'share',
    'share of images, 0 to 1, that may be broken: they are skipped and listed in skipped-images.txt; more is an error',
  ],
  tokenizer: ['file', 'tokenizer of the CLIP, if it is not next to the checkpoint'],
  classes: ['part', 'classes to tune on: base (the first half), novel or all'],
  shots: ['n', 'labelled images per class; 0: all'],
  imagesPerClass: ['n', 'unlabelled images per class, sampled like --shots; 0: all'],
  classVectors: ['file', 'class vectors from promptkd class-vectors (default: computed from the teacher)'],
  teacherCache: [
    '[folder]',
    "keep the teacher's image features on disk, in this folder (default: the user's cache), for runs with the same " +
      'teacher, data and --crop-seed',
  ],
  epochs: ['n', 'passes over the images'],
  batch: ['n', 'images per step'],
  accumulate: ['n', 'steps whose gradients are averaged for one update: large batches in little memory'],
  scaleLr: [
    '',
    "multiply the learning rate by batch x accumulate / the method's own batch size (8; coop: 32), as the authors advise",
  ],
  learningRate: ['rate', 'learning rate of SGD, with cosine decay'],
  warmupEpochs: ['n', 'epochs at the warm-up learning rate'],
  warmupLearningRate: ['rate', 'learning rate during warm-up'],
  momentum: ['value', 'momentum of SGD'],
  weightDecay: ['value', 'weight decay of SGD'],
  seed: ['n', 'seed of the sampled images, their order and crops, and the initial values'],
  cropSeed: [
    'n',
    'seed of the random crops alone, to share crops and a teacher cache between runs (default: --seed)',
  ],
  views: [
    'n',
    'fixed random crops per image, whose frozen features are computed once; 0: new crops every epoch',
  ],
  recompute: ['', 'recompute activations in the backward pass: less memory, about a third more work'],
  precision: [
    'f32|f16',
    'storage of frozen weights, and of activations on tensor cores; f16 halves the memory and scales the loss',
  ],
  cropScale: ['share', 'smallest share of an image that a random crop covers'],
  train: [
    'part',
    'what to train besides the projection: prompts, projection (nothing else) or all (the whole image encoder)',
  ],
  projectionLayers: [
    'n',
    'linear layers of the projection, 0 to 3 (default: 2; 0 with --text-features student)',
  ],
  textFeatures: [
    'whose',
    'text features that images are compared with: those of the teacher, or of the student',
  ],
  visionDepth: [
    'n',
    'blocks with prompts in the image encoder (default: 9, or all; 0 if prompts are not trained)',
  ],
  visionLength: ['n', 'prompt tokens in the image encoder'],
  textDepth: ['n', 'blocks with prompts in the text encoder (default: 9, or all)'],
  textLength: ['n', 'prompt tokens in the text encoder'],
  contextInit: ['words', 'words that the text prompt is initialised with'],
  template: ['text', 'prompt for text features that are not tuned; {} stands for the class name'],
  textWeight: ['value', "weight of PromptSRC's loss on text features"],
  imageWeight: ['value', "weight of PromptSRC's loss on image features"],
  averageMean: [
    'epoch',
    'centre of the Gaussian that averages the prompts over epochs (default: 3/4 of --epochs)',
  ],
  averageDeviation: ['epochs', 'standard deviation of that Gaussian'],
  temperature: ['value', 'temperature of both softmaxes'],
  kdLoss: ['name', `distillation loss: ${lossHelp()}`],
  kdWeight: ['value', `weight of the distillation loss (default: ${lossWeightHelp()})`],
  select: [
    'way',
    "epoch to keep: last, val (best on the validation split) or reference (best on the test set, as in the authors' " +
      'code: this selects on the test set)',
  ],
  selectClasses: ['part', 'classes whose images decide which epoch to keep: base or all'],
};

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
    .default(10);

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
const kebab = (field: string): string => field.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

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
