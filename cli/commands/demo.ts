/** `promptkd demo`: both stages on the built-in models, and a table of accuracies. */
import type { Command } from 'commander';
import { averageDemos, demoPaths, type NamedChange } from '../demo/demo.js';
import { DEMO_STUDENT, DEMO_TEACHER } from '../demo/settings.js';
import { addPrecisionOption, type PrecisionFlags } from '../device/gpu.js';
import { addJobOptions, type JobFlags, withJob } from '../device/job.js';
import { nodePlatform } from '../platform/node.js';
import { parseCount, parseNumber } from '../settings.js';
import { addHelp, type HelpText } from '../terminal/help.js';
import { print, printJson } from '../terminal/output.js';
import { seconds } from '../terminal/progress.js';
import { formatAccuracies } from '../terminal/table.js';

interface Flags extends JobFlags, PrecisionFlags {
  readonly out: string;
  readonly seed: number;
  readonly seeds: number;
  readonly json?: boolean;
}

const HELP: HelpText = {
  about: [
    'Two small CLIPs that come with this package classify emoji in a drawing style that they have never seen, in 28 ' +
      'classes:',
    {
      '1.': `tune the teacher's prompts on ${DEMO_TEACHER.shots} labelled images of each of the 14 base classes`,
      '2.': 'store its text features of all class names',
      '3.': `distil the student on the unlabelled training images of all classes, for ${DEMO_STUDENT.epochs} epochs`,
      '4.': 'evaluate both, before and after training, and write report.html',
    },
    'This takes a few minutes on two CPU cores. The same seed gives the same table on the same adapter. An earlier demo ' +
      'in the folder is replaced.',
  ],
  examples: ['promptkd demo', 'promptkd demo --seed 2 --out runs/demo-2'],
  next: ['promptkd predict runs/demo/student runs/demo/data/test'],
};

/** Adds the command to the program. */
export function register(program: Command): void {
  const command = program
    .command('demo')
    .description('run both stages and the evaluation on two small built-in models')
    .option('--out <folder>', 'folder for the data set, the runs and the class vectors', 'runs/demo')
    .option(
      '--seed <n>',
      'seed of the sampled images, their order and crops, and the initial values',
      parseNumber,
      1,
    )
    .option(
      '--seeds <n>',
      'run this many seeds, starting at --seed, and print their means too',
      parseCount,
      1,
    )
    .option('--json', 'print the result as JSON');
  addHelp(addPrecisionOption(addJobOptions(command)), HELP).action(async (flags: Flags) => {
    const seeds = Array.from({ length: flags.seeds }, (_, i) => flags.seed + i);
    const { results, models, changes } = await withJob(flags, (job) => averageDemos(job, flags, seeds));
    const result = results.at(-1)!;
    const several = seeds.length > 1;
    if (flags.json) return printJson(several ? { results, mean: models } : result);
    const { data, teacher, student, report } = demoPaths(nodePlatform, flags.out);
    const times = result.phases.map(({ name, milliseconds }) => `${name} ${seconds(milliseconds)}`);
    const tables = several ? results.map((one) => `seed ${one.seed}\n${formatAccuracies(one.models)}\n`) : [];
    if (several) tables.push(`mean of ${seeds.length} seeds\n`);
    await print(
      `\n${tables.join('')}${formatAccuracies(models)}` +
        'Accuracy in percent; HM: harmonic mean of base and novel. The student learned without labels.\n' +
        `${times.join(', ')}; seed ${result.seed} on ${result.adapter}\n\n` +
        (process.stdout.isTTY ? changeLines(changes) : '') +
        `The report is in ${report}: open it in a browser.\n\n` +
        'next: classify images, evaluate the runs, or train on your own CLIP and images:\n' +
        `  promptkd predict ${student} ${data}/test\n` +
        `  promptkd eval ${teacher} ${student} --data ${data}\n` +
        '  promptkd teacher --help\n',
    );
  });
}

/** A line for each class that changed most. */
function changeLines(changes: readonly NamedChange[]): string {
  if (changes.length === 0) return '';
  const width = Math.max(...changes.map(({ name }) => name.length));
  const lines = changes.map(({ name, before, after, change }) => {
    const sign = change! > 0 ? '+' : '';
    return `  ${name.padEnd(width)}  ${before!.toFixed(0).padStart(3)} -> ${after!.toFixed(0).padStart(3)} %  (${sign}${change!.toFixed(0)})`;
  });
  return `What the student changed most, class by class:\n${lines.join('\n')}\n\n`;
}
