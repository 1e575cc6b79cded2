/** `promptkd reproduce`: an experiment of the paper, from its data sets to its table. */
import { type Command, Option } from 'commander';
import { UserError } from '../../engine/errors.js';
import { collect } from '../../models/reproduce/collect.js';
import type { Preset } from '../../models/reproduce/preset.js';
import { reproduce, type TrialResult } from '../../models/reproduce/reproduce.js';
import { type Summary, summarize } from '../../models/reproduce/summary.js';
import { shardOf } from '../../models/runs/shard.js';
import { addJobOptions, type JobFlags, withJob } from '../device/job.js';
import type { Field } from '../options/fields.js';
import { loadPreset, presetHelp, presetNames } from '../options/presets.js';
import { nodePlatform } from '../platform/node.js';
import {
  checkpointOption,
  fieldsOf,
  kebab,
  parseNumber,
  readSettingsFile,
  type Stage,
  settingOption,
} from '../settings.js';
import { addHelp, groupTrainingOptions, type HelpText } from '../terminal/help.js';
import { print, printJson, say } from '../terminal/output.js';
import { formatSummary } from '../terminal/reproduceTable.js';

interface Flags extends JobFlags {
  readonly dataset?: readonly string[];
  readonly seed?: readonly number[];
  readonly data?: string;
  readonly teacherClip?: string;
  readonly studentClip?: string;
  readonly out?: string;
  readonly shard?: string;
  readonly collect?: readonly string[];
  readonly setting: string;
  readonly source?: string;
  readonly teacherConfig?: string;
  readonly studentConfig?: string;
  readonly json?: boolean;
  readonly checkpointMinutes?: number;
}

/** Settings that the experiment decides, so they have no flag. */
const DECIDED: ReadonlySet<Field> = new Set<Field>([
  'clip',
  'data',
  'dataset',
  'seed',
  'teacher',
  'classVectors',
  'teacherClip',
  'classes',
  'selectClasses',
]);

/** The epoch that each --select keeps, for the lines below the table. */
const KEPT: Readonly<Record<string, string>> = {
  last: 'the last epoch',
  val: 'the epoch that is best on the validation split',
  reference: 'the epoch that is best on the test set (selects on the test set)',
};

const HELP: HelpText = {
  about: [
    'For each data set and seed: stage 1 (teacher), its class vectors, stage 2 (student), and the accuracies of both. The same ' +
      'command continues where it stopped: finished runs in --out are skipped, interrupted ones continued. Data sets and ' +
      'seeds can be added later.',
    {
      'base-to-novel':
        'the teacher is tuned on the base classes (the first half), the student distilled on the unlabelled training ' +
        'images of all classes, novel ones too (transductive, as in the paper)',
      'cross-dataset':
        'the teacher is tuned on --source, the student distilled on the unlabelled training images of each data set',
    },
    "The paper's numbers are for CLIP ViT-L/14 as teacher and ViT-B/16 as student, and for the epoch that is best on the " +
      'test set: --select reference. By default the last epoch is kept, so that no test image decides. A setting that ' +
      'both stages have applies to both; --teacher-config and --student-config set it for one of them.',
    'Several machines: give each its --shard, with one --out on a shared file system or one each, then --collect them. The table ' +
      'does not depend on how many machines there were. examples/cluster has scripts.',
  ],
  examples: [
    'promptkd reproduce --dataset eurosat dtd --seed 1 2 3 --data datasets --teacher-clip ViT-L-14 ' +
      '--student-clip ViT-B-16 --out runs/base-to-novel',
    'promptkd reproduce --collect runs/base-to-novel',
  ],
};

/** Adds the command to the program. */
export function register(program: Command): void {
  const command = program
    .command('reproduce')
    .description("run the paper's experiments and compare with its tables")
    .option('--dataset <name...>', "data sets, by name or by CoOp's folder name (required)")
    .addOption(
      new Option('--seed <n...>', 'seeds, one run each (default: 1 2 3)').argParser(
        (text, previous: readonly number[] = []) => [...previous, parseNumber(text)],
      ),
    )
    .option('--data <folder>', "folder that holds the data sets, each in CoOp's folder (required)")
    .option('--teacher-clip <folder>', 'CLIP of the teacher, to tune (required)')
    .option('--student-clip <folder>', 'CLIP of the student, to distil into (required)')
    .option('--out <folder>', 'folder for the runs (required)')
    .option(
      '--shard <i/n>',
      'run share I of N of the trials; N alone takes I from JOB_COMPLETION_INDEX (Kubernetes) or Slurm; in a Slurm job array both ' +
        'are known without the flag',
    )
    .option('--collect <folder...>', "train nothing: tabulate these folders' results and list missing ones")
    .addOption(
      new Option('--setting <name>', 'experiment, one of the presets')
        .choices(presetNames())
        .default('base-to-novel'),
    )
    .option('--source <name>', "cross-dataset: data set to tune the teacher on (default: the preset's)")
    .option(
      '--teacher-config <file>',
      'YAML file with settings of stage 1; it overrides the preset, flags override it',
    )
    .option('--student-config <file>', 'YAML file with settings of stage 2')
    .option('--json', 'print the result as JSON')
    .addOption(checkpointOption())
    .addHelpText('after', presetHelp);
  addStageOptions(command);
  addHelp(groupTrainingOptions(addJobOptions(command)), HELP).action(async (flags: Flags) => {
    if (flags.collect) return collectResults(flags, flags.collect);
    await run(flags, required(flags));
  });
}

const REQUIRED = ['dataset', 'data', 'teacherClip', 'studentClip', 'out'] as const;
type Required = { readonly [name in (typeof REQUIRED)[number]]: NonNullable<Flags[name]> };

/** @throws UserError naming the flags that are missing */
function required(flags: Flags): Required {
  const missing = REQUIRED.filter((name) => flags[name] === undefined).map((name) => `--${kebab(name)}`);
  if (missing.length > 0)
    throw new UserError(
      `${missing.join(', ')} missing`,
      'give them, or --collect FOLDER… for the table alone',
    );
  return flags as Required;
}

async function run(flags: Flags, { dataset: datasets, out, ...paths }: Required): Promise<void> {
  const { setting, seed = [1, 2, 3], teacherConfig, studentConfig } = flags;
  const shard = shardOf(flags.shard, process.env);
  const preset = await loadPreset(nodePlatform, setting);
  const teacher = await overrides('teacher', flags, teacherConfig);
  const student = await overrides('student', flags, studentConfig);
  const given = { ...flags, ...paths, out, preset, datasets, seeds: seed, teacher, student, shard };
  const results = await withJob(flags, (job) => {
    if (shard) job.note(`share ${shard.index} of ${shard.count} of the trials`);
    return reproduce(job, given, flags);
  });
  const file = shard ? `results-${shard.index}-of-${shard.count}.json` : 'results.json';
  const select = String(student.select ?? preset.student.select ?? 'last');
  const result = {
    ...summarize(preset, results),
    select,
    presetChanged: { teacher, student },
    trials: results,
  };
  await nodePlatform.write(nodePlatform.join(out, file), `${JSON.stringify(result, null, 2)}\n`);
  if (flags.json) return printJson(result);
  const plan = { teacher: { ...preset.teacher, ...teacher }, student: { ...preset.student, ...student } };
  await print(`\n${table(result, results, select, changedFrom(preset, plan))}`);
  if (shard) say(`the table of all shares: promptkd reproduce --collect ${out}\n`);
}

/** The table of what folders hold. */
async function collectResults(flags: Flags, folders: readonly string[]): Promise<void> {
  const { dataset: datasets, seed: seeds } = flags;
  const { setting, plan, results, missing } = await collect(nodePlatform, folders, { datasets, seeds });
  const preset = await loadPreset(nodePlatform, setting);
  const select = String((plan.student as { select?: string } | undefined)?.select ?? 'last');
  const summary = summarize(preset, results);
  if (flags.json) return printJson({ ...summary, select, trials: results, missing });
  if (results.length > 0) await print(table(summary, results, select, changedFrom(preset, plan)));
  for (const { dataset, seed, state } of missing) say(`missing: ${dataset}, seed ${seed}: ${state}\n`);
  if (results.length === 0) throw new UserError('no trial is finished in these folders', 'run them first');
}

/** Settings of a plan that are not the preset's, as the lines under the table name them. */
function changedFrom(preset: Preset, plan: Readonly<Record<string, unknown>>): string[] {
  const changed = (['teacher', 'student'] as const).flatMap((stage) =>
    Object.entries((plan[stage] ?? {}) as Record<string, unknown>).filter(
      ([field, value]) => field !== 'select' && (preset[stage] as Record<string, unknown>)[field] !== value,
    ),
  );
  return Object.entries(Object.fromEntries(changed)).map(([field, value]) => `${field} ${value}`);
}

function table(
  summary: Summary,
  results: readonly TrialResult[],
  select: string,
  changed: readonly string[],
): string {
  const count = new Set(results.map((trial) => trial.seed)).size;
  return (
    `${formatSummary(summary)}` +
    `Accuracy in percent, mean of ${count === 1 ? 'one seed' : `${count} seeds`}; HM: harmonic mean of the means.\n` +
    `ours: ${KEPT[select]}${changed.length > 0 ? `; settings changed: ${changed.join(', ')}` : ''}\n` +
    `paper: ${summary.source ?? 'no numbers'}; ViT-L/14 teaches ViT-B/16; ${KEPT.reference}\n`
  );
}

/** A flag for every other setting; the stages share those that both have. */
function addStageOptions(command: Command): void {
  const fields = { teacher: fieldsOf('teacher'), student: fieldsOf('student') };
  for (const field of new Set([...fields.teacher, ...fields.student])) {
    if (DECIDED.has(field)) continue;
    const stage: Stage = fields.teacher.includes(field) ? 'teacher' : 'student';
    const only = fields.teacher.includes(field) && fields.student.includes(field) ? '' : ` (${stage} only)`;
    command.addOption(settingOption(stage, field, only));
  }
}

/** Settings that override those of the preset: from the file, and from flags, which override the file. */
async function overrides(stage: Stage, flags: object, file?: string): Promise<Record<string, unknown>> {
  const open = fieldsOf(stage).filter((field) => !DECIDED.has(field));
  const fromFile = file === undefined ? {} : await readSettingsFile(nodePlatform, stage, file);
  const given = { ...fromFile, ...flags } as Record<string, unknown>;
  return Object.fromEntries(
    open.filter((field) => given[field] !== undefined).map((field) => [field, given[field]]),
  );
}
