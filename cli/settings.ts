/** Hyper-parameters on the command line: a flag for every field of a settings schema, and `--config FILE`. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import * as v from 'valibot';
import { UserError } from '../engine/errors.js';
import { readable } from '../models/checkpoints/tensors.js';
import { knownName } from '../models/datasets/layouts.js';
import type { Platform } from '../models/platform.js';
import { methodDefault } from '../models/promptkd/shared/defaults.js';
import {
  parseSettings,
  type StudentSettings,
  StudentSettingsSchema,
  type TeacherSettings,
  TeacherSettingsSchema,
} from '../models/promptkd/shared/settings.js';
import { checkFields, presetFields } from '../models/reproduce/preset.js';
import { CONFIG, readYaml } from '../models/runs/runFolder.js';
import { loadPreset, presetHelp } from './presets.js';

export type Field = keyof TeacherSettings | keyof StudentSettings;

/** What the user gives for each field, and what it is. The compiler asks for a line when a field is added. */
const FIELDS: Readonly<Record<Field, readonly [value: string, help: string]>> = {
  clip: ['folder', 'the CLIP to train prompts for: a checkpoint, or a folder with one and its tokenizer'],
  method: ['name', 'promptsrc, ivlp, coop, or clip: plain zero-shot CLIP, which is not tuned'],
  teacher: ['run', "run folder of stage 1 (promptkd teacher), or the authors' checkpoint of a teacher"],
  teacherClip: ['folder', 'the CLIP that the teacher was tuned from; only needed with a checkpoint'],
  data: ['folder', 'images: class folders, a known data set, a flat folder or a list of paths'],
  dataset: ['name', 'which data set, when the data folder holds several known ones'],
  allowOutside: ['', 'links in the data, and paths in lists and split files, may lead out of its folder'],
  maxBroken: [
    'share',
    'share of the images, 0 to 1, that may be broken: they are skipped and named in skipped-images.txt; more are an error',
  ],
  tokenizer: ['file', "the CLIP's tokenizer, when it is not beside the checkpoint"],
  classes: ['part', 'classes to tune on: base (the first half), novel or all'],
  shots: ['n', 'labelled images a class; 0: all of them'],
  imagesPerClass: ['n', 'unlabelled images a class, drawn as shots are; 0: all of them'],
  classVectors: ['file', 'stored class vectors (default: made for the classes of the data)'],
  teacherCache: [
    '[folder]',
    "keep the teacher's image features in a folder (default: the user's cache) and use those that are there: runs with the " +
      'same teacher, data and --crop-seed share them',
  ],
  epochs: ['n', 'passes over the images'],
  batch: ['n', 'images of a step'],
  accumulate: ['n', 'steps whose gradients are averaged for one update: large batches in little memory'],
  scaleLr: [
    '',
    "multiply the learning rate with batch x accumulate / the method's own batch size (8; coop: 32), as the authors advise",
  ],
  learningRate: ['rate', 'learning rate of SGD, decayed along a cosine'],
  warmupEpochs: ['n', 'epochs at the warm-up rate'],
  warmupLearningRate: ['rate', 'the warm-up rate'],
  momentum: ['value', 'momentum of SGD'],
  weightDecay: ['value', 'weight decay of SGD'],
  seed: ['n', 'decides the shots, the order of images, their crops and the initial values'],
  cropSeed: [
    'n',
    'decides the random crops alone (default: the seed); runs that share it share crops, and what a teacher cache keeps of them',
  ],
  views: ['n', 'fixed crops of each image whose frozen features are computed once; 0: new crops every epoch'],
  recompute: ['', 'compute activations again in the backward pass: less memory, about a third more work'],
  precision: [
    'f32|f16',
    'storage of frozen matrices, and on tensor cores of activations; f16 halves them, with loss scaling',
  ],
  cropScale: ['share', 'smallest share of an image that a random crop covers'],
  train: [
    'part',
    'beside the projection: prompts, nothing (projection), or all weights of the image encoder (all)',
  ],
  projectionLayers: [
    'n',
    "layers of the projection, 0 to 3 (default: 2; 0 with the student's own text features)",
  ],
  textFeatures: ['whose', "text features that images are compared with: the teacher's, or the student's own"],
  visionDepth: [
    'n',
    'blocks with prompts in the image encoder (default: 9, or all; 0 where they are not trained)',
  ],
  visionLength: ['n', 'prompt tokens in the image encoder'],
  textDepth: ['n', 'blocks with prompts in the text encoder (default: 9, or all)'],
  textLength: ['n', 'prompt tokens in the text encoder'],
  contextInit: ['words', 'words that the text prompt starts from'],
  template: ['text', 'prompt of text features that are not tuned; {} is the class name'],
  textWeight: ['value', "weight of PromptSRC's loss on text features"],
  imageWeight: ['value', "weight of PromptSRC's loss on image features"],
  averageMean: ['epoch', 'centre of the Gaussian that averages the prompts (default: 3/4 of the epochs)'],
  averageDeviation: ['epochs', 'its standard deviation'],
  temperature: ['value', 'temperature of both softmaxes'],
  kdLoss: ['name', 'kl or symmetric-kl between logits, l1 or mse between unit image features'],
  kdWeight: ['value', 'weight of the distillation loss (default: 1000; mse: 10000)'],
  select: [
    'way',
    'epoch to keep: last; val: the best on the validation split; reference: the best on the test set, as the ' +
      "authors' code does (selects on the test set)",
  ],
  selectClasses: ['part', 'classes whose images decide between epochs: base or all'],
};

const STAGES = { teacher: TeacherSettingsSchema, student: StudentSettingsSchema } as const;
export type Stage = keyof typeof STAGES;
export type SettingsOf<S extends Stage> = v.InferOutput<(typeof STAGES)[S]>;

/** Flags as commander hands them over. */
export interface SettingsFlags {
  readonly preset?: string;
  readonly config?: string;
  readonly out: string;
  readonly resume?: boolean;
  readonly checkpointMinutes?: number;
  readonly strict?: boolean;
}

/** The settings of a stage, in the order in which help lists them. */
export const fieldsOf = (stage: Stage): Field[] =>
  (Object.keys(FIELDS) as Field[]).filter((field) => field in STAGES[stage].entries);

/** The flag of a setting; `shown` is what help says after its description. */
export function settingOption(stage: Stage, field: Field, shown = ''): Option {
  const [value, help] = FIELDS[field];
  const name = `--${kebab(field)}`;
  const flag = value === '' ? name : value.startsWith('[') ? `${name} ${value}` : `${name} <${value}>`;
  const option = new Option(flag, value === '' ? help : `${help}${shown}`);
  return isNumber(STAGES[stage].entries, field) ? option.argParser(parseNumber) : option;
}

/** `--checkpoint-minutes`, no setting of a run: it changes nothing in what comes out. */
export const checkpointOption = (): Option =>
  new Option(
    '--checkpoint-minutes <n>',
    'write a checkpoint within an epoch when the last one is so many minutes old; one is written after each epoch anyway',
  )
    .argParser(parseMinutes)
    .default(10);

function parseMinutes(text: string): number {
  const value = parseNumber(text);
  if (value < 0) throw new InvalidArgumentError('Give a number from 0.');
  return value;
}

/** Adds a flag for every setting of the stage, and `--preset`, `--config`, `--out`, `--resume`. */
export function addSettingsOptions(command: Command, stage: Stage): Command {
  const defaults = v.getDefaults(STAGES[stage]) as Record<string, unknown>;
  command
    .option('--preset <name>', "settings of one of the paper's experiments; --config and flags go first")
    .addHelpText('after', presetHelp)
    .option('--out <folder>', 'run folder to make')
    .option('--config <file>', 'settings from a YAML file, such as the config.yaml of a run; flags go first')
    .option('--resume', 'continue the run in --out; settings that are not given are taken from it')
    .addOption(checkpointOption())
    .option('--strict', 'any broken image is an error: --max-broken 0');
  for (const field of fieldsOf(stage)) {
    const fallback = defaults[field] ?? (stage === 'teacher' ? methodDefault(field) : undefined);
    command.addOption(settingOption(stage, field, fallback === undefined ? '' : ` (default: ${fallback})`));
  }
  return command;
}

/**
 * The settings of a run: flags before the file's, the file's before the preset's, the preset's before the defaults.
 * Without `--config`, a run that is continued takes those in its own folder.
 *
 * @throws UserError naming the file or flag, the field and what it may be
 */
export async function readSettings<S extends Stage>(
  platform: Platform,
  stage: S,
  flags: SettingsFlags,
): Promise<SettingsOf<S>> {
  if (flags.out === undefined)
    throw new UserError('--out is missing: the run folder to make', 'give --out FOLDER');
  const schema = STAGES[stage];
  const fields = Object.keys(schema.entries);
  const own = platform.join(flags.out, CONFIG);
  const continued = flags.resume && (await platform.stat(own)) !== undefined;
  const file = flags.config ?? (continued ? own : undefined);
  const fromFile = file === undefined ? {} : await readSettingsFile(platform, stage, file);
  const flagged = { ...flags, ...(flags.strict && { maxBroken: 0 }) };
  const given = Object.entries(flagged).filter(
    ([field, value]) => fields.includes(field) && value !== undefined,
  );
  // The file's order of fields stays: config.yaml then reads as the file did, and a continued run's as its own.
  const said: Record<string, unknown> = { ...fromFile, ...Object.fromEntries(given) };
  const merged: Record<string, unknown> = {
    ...(flags.preset !== undefined && (await fieldsOfPreset(platform, stage, flags.preset, said))),
    ...said,
  };
  for (const field of fields)
    if (
      merged[field] === undefined &&
      schema.entries[field as keyof typeof schema.entries].type !== 'optional'
    )
      throw new UserError(
        `--${kebab(field)} is missing: ${FIELDS[field as Field][1]}`,
        flags.resume && !continued
          ? `there is no ${own} to take it from: give the settings again, and the run begins anew`
          : `give --${kebab(field)}, or ${field}: in a file with --config`,
      );
  const settings = parseSettings<object>(schema, merged, 'the command line') as SettingsOf<S>;
  return inOrderOf(Object.keys(fromFile), settings);
}

/** What a preset says for the data set that the settings name, if it is a known one. */
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

/** Fields of a settings file, checked; the `kind` that a run's config.yaml starts with must be the stage's. */
export async function readSettingsFile(
  platform: Platform,
  stage: Stage,
  file: string,
): Promise<Readonly<Record<string, unknown>>> {
  const content = readYaml(file, await platform.readText(file)) ?? {};
  if (typeof content !== 'object' || Array.isArray(content))
    throw new UserError(`${file} holds no settings`, 'write one "field: value" a line');
  const { kind, ...fields } = content as Record<string, unknown>;
  if (kind !== undefined && kind !== stage)
    throw new UserError(
      readable(`${file} holds the settings of a ${typeof kind === 'string' ? kind : 'different'} run`),
      `give those of a ${stage} run`,
    );
  // Only the fields that are there: what is missing may come as a flag.
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

/** Whether a field of a schema is a number, with or without a default. */
function isNumber(entries: Readonly<Record<string, unknown>>, field: string): boolean {
  const entry = entries[field] as { type: string; wrapped?: { type: string } };
  return (entry.wrapped ?? entry).type === 'number';
}

/** A count of the command line: 1 or more. */
export function parseCount(text: string): number {
  if (!/^[1-9]\d*$/.test(text)) throw new InvalidArgumentError('Give a whole number from 1.');
  return Number(text);
}

/** A number of the command line. */
export function parseNumber(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value)) throw new InvalidArgumentError('It is no number.');
  return value;
}
