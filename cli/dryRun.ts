/** `--dry-run` of both stages: what a run with these settings would need, from shapes alone. */
import { type Command, Option } from 'commander';
import { type Capabilities, PORTABLE } from '../engine/capabilities.js';
import { mebibytes } from '../engine/gpu/gpu.js';
import { type PlanDescription, Schedule } from '../engine/gpu/schedule.js';
import { KNOWN_MODELS } from '../models/clip/knownModels.js';
import type { Precision } from '../models/clip/precision.js';
import type { Platform } from '../models/platform.js';
import { planTeacher } from '../models/promptkd/stage1/plan.js';
import { planStudent } from '../models/promptkd/stage2/plan.js';
import { type PlannedFlags, parseNumber, readPlannedSettings, type Stage } from './settings.js';
import { formatTable } from './terminal/table.js';

/** Flags of `addDryRunOption`, beside those of the settings. */
export interface DryRunFlags {
  /** The number of classes, or `true` where `--data` says it. */
  readonly dryRun?: true | number;
}

const NAMES = Object.keys(KNOWN_MODELS).join(', ');

/** Adds `--dry-run` to the command of a stage. */
export const addDryRunOption = (command: Command): Command =>
  command.addOption(
    new Option(
      '--dry-run [classes]',
      'only print what a step needs, in bytes and FLOPs: needs no weights, data or GPU; a CLIP may be given by name: ' +
        `${NAMES}; the number of classes of the data set comes from here or from --data`,
    ).argParser(parseNumber),
  );

/** What a step of a run would need. */
export interface DryRun {
  readonly plan: PlanDescription;
  readonly classes: number;
  readonly precision: Precision;
}

/**
 * Plans the step that a run with these flags would compile.
 *
 * @param capabilities of the adapter that it would run on (default: one of no special abilities)
 * @throws UserError as the run would
 */
export async function planStep(
  platform: Platform,
  stage: Stage,
  { dryRun, ...flags }: PlannedFlags & DryRunFlags,
  capabilities: Capabilities = PORTABLE,
): Promise<DryRun> {
  const count = typeof dryRun === 'number' ? dryRun : undefined;
  const plan = async () => {
    if (stage === 'teacher') {
      const settings = await readPlannedSettings(platform, stage, flags);
      return { settings, ...(await planTeacher(platform, settings, { count, capabilities })) };
    }
    const settings = await readPlannedSettings(platform, stage, flags);
    return { settings, ...(await planStudent(platform, settings, { count, capabilities })) };
  };
  const { settings, request, classes } = await plan();
  return { plan: new Schedule(request, capabilities).describe(), classes, precision: settings.precision };
}

/** The plan of one step of the stage, as text. */
export const dryRun = async (
  platform: Platform,
  stage: Stage,
  flags: PlannedFlags & DryRunFlags,
): Promise<string> => format(await planStep(platform, stage, flags));

function format({ plan, classes, precision }: DryRun): string {
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
    `${table}${(plan.flops / 1e9).toFixed(1)} GFLOP per step with ${classes} classes in ${plan.dispatches} dispatches; ` +
    `largest buffer ${mebibytes(plan.largest)}\n`
  );
}
