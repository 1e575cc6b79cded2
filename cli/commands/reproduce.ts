/** `promptkd reproduce`: an experiment of the paper, from its data sets to its table. */
import { type Command, Option } from 'commander';
import { reproduce } from '../../models/reproduce/reproduce.js';
import { summarize } from '../../models/reproduce/summary.js';
import { addJobOptions, type JobFlags, withJob } from '../device/job.js';
import type { Field } from '../options/fields.js';
import { loadPreset, presetHelp, presetNames } from '../options/presets.js';
import { nodePlatform } from '../platform/node.js';
import {
  checkpointOption,
  fieldsOf,
  parseNumber,
  readSettingsFile,
  type Stage,
  settingOption,
} from '../settings.js';
import { addHelp, groupTrainingOptions, type HelpText } from '../terminal/help.js';
import { print, printJson } from '../terminal/output.js';
import { formatSummary } from '../terminal/reproduceTable.js';

interface Flags extends JobFlags {
  readonly dataset: readonly string[];
  readonly seed?: readonly number[];
  readonly data: string;
  readonly teacherClip: string;
  readonly studentClip: string;
  readonly out: string;
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
  ],
  examples: [
    'promptkd reproduce --dataset eurosat dtd --seed 1 2 3 --data datasets --teacher-clip ViT-L-14 ' +
      '--student-clip ViT-B-16 --out runs/base-to-novel',
  ],
};

/** Adds the command to the program. */
export function register(program: Command): void {
  const command = program
    .command('reproduce')
    .description("run the paper's experiments and compare with its tables")
    .requiredOption('--dataset <name...>', "data sets, by name or by CoOp's folder name")
    .addOption(
      new Option('--seed <n...>', 'seeds, one run each (default: 1 2 3)').argParser(
        (text, previous: readonly number[] = []) => [...previous, parseNumber(text)],
      ),
    )
    .requiredOption('--data <folder>', "folder that holds the data sets, each in CoOp's folder")
    .requiredOption('--teacher-clip <folder>', 'CLIP of the teacher, to tune')
    .requiredOption('--student-clip <folder>', 'CLIP of the student, to distil into')
    .requiredOption('--out <folder>', 'folder for the runs')
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
    const { setting, seed = [1, 2, 3], dataset: datasets, teacherConfig, studentConfig } = flags;
    const preset = await loadPreset(nodePlatform, setting);
    const teacher = await overrides('teacher', flags, teacherConfig);
    const student = await overrides('student', flags, studentConfig);
    const given = { ...flags, preset, datasets, seeds: seed, teacher, student };
    const results = await withJob(flags, (job) => reproduce(job, given, flags));
    const summary = summarize(preset, results);
    const select = String(student.select ?? preset.student.select ?? 'last');
    const result = { ...summary, select, presetChanged: { teacher, student }, trials: results };
    await nodePlatform.write(
      nodePlatform.join(flags.out, 'results.json'),
      `${JSON.stringify(result, null, 2)}\n`,
    );
    if (flags.json) return printJson(result);
    const changed = Object.entries({ ...teacher, ...student })
      .filter(([field]) => field !== 'select')
      .map(([field, value]) => `${field} ${value}`);
    const count = new Set(results.map((trial) => trial.seed)).size;
    await print(
      `\n${formatSummary(summary)}` +
        `Accuracy in percent, mean of ${count === 1 ? 'one seed' : `${count} seeds`}; HM: harmonic mean of the means.\n` +
        `ours: ${KEPT[select]}${changed.length > 0 ? `; settings changed: ${changed.join(', ')}` : ''}\n` +
        `paper: ${summary.source ?? 'no numbers'}; ViT-L/14 teaches ViT-B/16; ${KEPT.reference}\n`,
    );
  });
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
