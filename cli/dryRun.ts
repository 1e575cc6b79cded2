/** `--dry-run` of both stages: what a run would need, from shapes alone. */
import { type Command, Option } from 'commander';
import { UserError } from '../engine/errors.js';
import type { PlanDescription } from '../engine/gpu/schedule.js';
import { loadCheckpoint } from '../models/checkpoints/load.js';
import type { ClipConfig } from '../models/clip/config.js';
import type { Precision } from '../models/clip/precision.js';
import { loadDataset } from '../models/datasets/loadDataset.js';
import type { Platform } from '../models/platform.js';
import { METHOD_DEFAULTS } from '../models/promptkd/shared/defaults.js';
import type { StudentSettings, TeacherSettings } from '../models/promptkd/shared/settings.js';
import {
  describeRequest,
  isKnownModel,
  KNOWN_MODELS,
  type StepShape,
  studentRequests,
  teacherRequest,
} from '../models/promptkd/shared/shapes.js';
import { readRunConfig } from '../models/runs/runFolder.js';
import { parseNumber } from './settings.js';
import { formatTable } from './terminal/table.js';

/** What the flags of a stage say about its size. */
export interface DryRunFlags {
  readonly dryRun?: true | number;
  readonly clip?: string;
  readonly teacher?: string;
  readonly data?: string;
  readonly dataset?: string;
  readonly batch?: number;
  readonly accumulate?: number;
  readonly visionDepth?: number;
  readonly recompute?: boolean;
  readonly precision?: Precision;
  readonly method?: TeacherSettings['method'];
  readonly train?: StudentSettings['train'];
  readonly projectionLayers?: number;
  readonly textFeatures?: StudentSettings['textFeatures'];
  readonly kdLoss?: StudentSettings['kdLoss'];
}

const NAMES = Object.keys(KNOWN_MODELS).join(', ');

export const addDryRunOption = (command: Command): Command =>
  command.addOption(
    new Option(
      '--dry-run [classes]',
      'only print what a step needs, in bytes and FLOPs: needs no weights, data or GPU; --clip and --teacher may be ' +
        `${NAMES}; the number of classes comes from here or from --data`,
    ).argParser(parseNumber),
  );

/** The plan of one step of the stage, printed. */
export async function dryRun(
  platform: Platform,
  stage: 'teacher' | 'student',
  flags: DryRunFlags,
): Promise<string> {
  const { method, train, projectionLayers, textFeatures, kdLoss, precision = 'f32' } = flags;
  if (method === 'clip')
    throw new UserError('the method clip trains nothing, so there is no step', 'leave --dry-run out');
  const shape: StepShape = {
    ...{ method, train, projectionLayers, textFeatures, kdLoss, accumulate: flags.accumulate, precision },
    classes: await classCount(platform, flags),
    batch: flags.batch ?? METHOD_DEFAULTS[method ?? 'promptsrc'].batch,
    ...(flags.visionDepth !== undefined && { depth: flags.visionDepth }),
    recompute: flags.recompute ?? false,
  };
  const clip = await architecture(platform, '--clip', flags.clip);
  const request =
    stage === 'teacher'
      ? teacherRequest(clip, shape)
      : studentRequests(await teacherArchitecture(platform, flags.teacher), clip, shape).train;
  return format(describeRequest(request), precision);
}

async function classCount(
  platform: Platform,
  { dryRun: classes, data, dataset }: DryRunFlags,
): Promise<number> {
  if (typeof classes === 'number') return classes;
  if (data !== undefined) {
    const { classNames } = await loadDataset(platform, data, { dataset, allowOutside: true });
    if (classNames.length > 0) return classNames.length;
  }
  throw new UserError(
    '--dry-run does not know the number of classes',
    'give it: --dry-run 1000, or --data FOLDER',
  );
}

async function architecture(
  platform: Platform,
  flag: string,
  given: string | undefined,
): Promise<ClipConfig> {
  if (given === undefined)
    throw new UserError(`${flag} is missing`, `give a checkpoint or one of these names: ${NAMES}`);
  if (isKnownModel(given)) return KNOWN_MODELS[given];
  return (await loadCheckpoint(platform, given)).config;
}

/** A teacher is a run; for a plan the CLIP that it was or will be tuned from does as well. */
async function teacherArchitecture(platform: Platform, given: string | undefined): Promise<ClipConfig> {
  if (given === undefined || isKnownModel(given)) return architecture(platform, '--teacher', given);
  const config = await readRunConfig(platform, given, 'teacher');
  return architecture(platform, '--teacher', String(config.clip));
}

const mebibytes = (bytes: number) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

function format(plan: PlanDescription, precision: Precision): string {
  const table = formatTable(
    [`on the device, ${precision === 'f16' ? 'float16, no tensor cores' : 'float32'}`, 'peak'],
    [
      ['weights and other constants', mebibytes(plan.constants)],
      ['parameters, optimiser state, inputs', mebibytes(plan.variables)],
      ['saved activations', mebibytes(plan.saved)],
      ['workspace and results', mebibytes(plan.workspace + plan.outputs)],
      ['total', mebibytes(plan.total)],
    ],
  );
  return (
    `${table}${(plan.flops / 1e9).toFixed(1)} GFLOP a step in ${plan.dispatches} dispatches; ` +
    `largest buffer ${mebibytes(plan.largest)}\n`
  );
}
