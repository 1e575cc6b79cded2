/** `promptkd demo`: both stages on the embedded models, from nothing to a table. */
import type { Command } from 'commander';
import { averageDemos, demoPaths } from '../demo/demo.js';
import { DEMO_STUDENT, DEMO_TEACHER } from '../demo/settings.js';
import { addPrecisionOption, type PrecisionFlags } from '../device/gpu.js';
import { addJobOptions, type JobFlags, withJob } from '../device/job.js';
import { nodePlatform } from '../platform/node.js';
import { parseCount, parseNumber } from '../settings.js';
import { print, printJson } from '../terminal/output.js';
import { seconds } from '../terminal/progress.js';
import { formatAccuracies } from '../terminal/table.js';

interface Flags extends JobFlags, PrecisionFlags {
  readonly out: string;
  readonly seed: number;
  readonly seeds: number;
  readonly json?: boolean;
}

const HELP = `
Two small CLIPs that come with this package classify emoji of a drawing style that they have never seen, in 28 classes:
  1. the teacher's prompts are tuned with ${DEMO_TEACHER.shots} labelled images of each of the 14 base classes
  2. its text features of all class names are stored
  3. the student is distilled on the training images of all classes, without labels, for ${DEMO_STUDENT.epochs} epochs
  4. both are evaluated, before and after
Some minutes on two processor cores. The same seed gives the same table on the same adapter. An earlier demo in the folder
is replaced.`;

export function register(program: Command): void {
  const command = program
    .command('demo')
    .description('both stages and the evaluation on the embedded models, with a table at the end')
    .option('--out <folder>', 'folder for data set, runs and class vectors', 'runs/demo')
    .option('--seed <n>', 'decides shots, order, crops and initial values', parseNumber, 1)
    .option('--seeds <n>', 'run this many seeds from --seed on, and print the means too', parseCount, 1)
    .option('--json', 'print the result for programs')
    .addHelpText('after', HELP);
  addPrecisionOption(addJobOptions(command)).action(async (flags: Flags) => {
    const seeds = Array.from({ length: flags.seeds }, (_, i) => flags.seed + i);
    const { results, models } = await withJob(flags, (job) => averageDemos(job, flags, seeds));
    const result = results.at(-1)!;
    const several = seeds.length > 1;
    if (flags.json) return printJson(several ? { results, mean: models } : result);
    const { data, teacher, student } = demoPaths(nodePlatform, flags.out);
    const times = result.phases.map(({ name, milliseconds }) => `${name} ${seconds(milliseconds)}`);
    const tables = several ? results.map((one) => `seed ${one.seed}\n${formatAccuracies(one.models)}\n`) : [];
    if (several) tables.push(`mean of ${seeds.length} seeds\n`);
    await print(
      `\n${tables.join('')}${formatAccuracies(models)}` +
        'Accuracy in percent; HM: harmonic mean of base and novel. The student learned without labels.\n' +
        `${times.join(', ')}; seed ${result.seed} on ${result.adapter}\n\n` +
        'next, classify a picture, see what a run wrote, and use your own CLIP and images:\n' +
        `  promptkd predict ${student} ${data}/test\n` +
        `  promptkd eval ${teacher} ${student} --data ${data}\n` +
        '  promptkd teacher --help\n',
    );
  });
}
