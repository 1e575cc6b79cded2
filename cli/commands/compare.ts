/** `promptkd compare`: several runs or seeds side by side on the same test images. */
import type { Command } from 'commander';
import { parse } from 'yaml';
import { UserError } from '../../engine/errors.js';
import { checkImages } from '../../models/datasets/checkImages.js';
import { loadDataset } from '../../models/datasets/loadDataset.js';
import { fixed } from '../../models/numbers.js';
import { Classifier } from '../../models/promptkd/use/classifier.js';
import { type ComparedRun, type ComparedValues, type Comparison, compareRuns } from '../../report/compare.js';
import { compareHtml, probability } from '../../report/compareReport.js';
import { readRecord } from '../../report/readRecord.js';
import { addPrecisionOption, type PrecisionFlags } from '../device/gpu.js';
import { addJobOptions, type JobFlags, withJob } from '../device/job.js';
import { addImageOptions, brokenShare, type ImageFlags } from '../options/images.js';
import { nodePlatform } from '../platform/node.js';
import { addHelp, type HelpText } from '../terminal/help.js';
import { print, printJson, say } from '../terminal/output.js';
import { formatTable } from '../terminal/table.js';

interface Flags extends JobFlags, PrecisionFlags, ImageFlags {
  readonly data?: string;
  readonly dataset?: string;
  readonly classVectors?: string;
  readonly teacherClip?: string;
  readonly json?: boolean;
  readonly report?: string;
}

const HELP: HelpText = {
  about: [
    'Evaluates the runs (or exported files) on the same test images and prints a table. Runs that differ only in their seed get a ' +
      'row with their means and sample deviations.',
    "McNemar's exact test says for each pair whether the one is better or the difference may be chance: p, and p by Holm's " +
      'correction for the number of pairs.',
    'Without --data, the data set is the one that the first run was trained with.',
  ],
  examples: [
    'promptkd compare runs/pets-1 runs/pets-2 runs/pets-3',
    'promptkd compare runs/pets runs/pets-b32 --data oxford_pets --report compared.html',
  ],
};

/** Adds the command to the program. */
export function register(program: Command): void {
  const command = program
    .command('compare')
    .description('several runs or seeds side by side, with means, deviations and a test')
    .argument('<run...>', 'run folders or files of teachers and students')
    .option('--data <folder>', "data set with test images (default: the first run's)")
    .option('--dataset <name>', 'name of the data set, if the --data folder holds several known ones')
    .option('--class-vectors <file>', "use these class vectors instead of the students' own")
    .option('--teacher-clip <folder>', 'CLIP that teacher checkpoints were tuned from')
    .option('--json', 'print the comparison as JSON')
    .option('--report <file>', 'also write a page (HTML) with curves and what differs');
  addImageOptions(addPrecisionOption(addJobOptions(command)), 0.1);
  addHelp(command, HELP).action(async (runs: string[], flags: Flags) => {
    if (new Set(runs).size < runs.length) throw new UserError('a run is given twice', 'give each run once');
    const source = await dataOf(runs[0]!, flags);
    const data = await loadDataset(nodePlatform, source.data, {
      ...source,
      allowOutside: flags.allowOutside,
    });
    if (data.classNames.length === 0)
      throw new UserError(`${source.data} has no labels`, 'give --data FOLDER with labelled images');
    const comparison = await withJob(flags, async (job) => {
      for (const note of data.notes) job.note(note);
      const { items, skipped } = await checkImages(job, data.test, { maxBroken: brokenShare(flags) });
      const compared: ComparedRun[] = [];
      for (const name of runs) {
        const classifier = await Classifier.ofRun(job, name, data.classNames, flags);
        const examined = await classifier.examine(job, { ...data, test: items }, name, skipped);
        classifier.destroy();
        compared.push({ name, ...examined, record: await readRecord(job.platform, name) });
      }
      const found = compareRuns(compared);
      if (flags.report !== undefined) {
        const adapter = job.gpu.adapter.name;
        const html = await compareHtml({ data: data.name, adapter, runs: compared, comparison: found });
        await job.platform.write(flags.report, html);
      }
      const summary = skipped.summary();
      if (summary) job.note(summary);
      return found;
    });
    if (flags.json) await printJson({ data: data.name, ...comparison });
    else await print(formatComparison(comparison));
    if (flags.report !== undefined) say(`the report is in ${flags.report}\n`);
  });
}

/** The data set of the flags, or else that of a run. */
async function dataOf(run: string, { data, dataset }: Flags): Promise<{ data: string; dataset?: string }> {
  if (data !== undefined) return { data, dataset };
  const record = await readRecord(nodePlatform, run);
  const config = record && (parse(record.config) as { data?: unknown; dataset?: unknown } | null);
  if (typeof config?.data !== 'string')
    throw new UserError(`${run} does not say which data set it was trained with`, 'give --data FOLDER');
  return {
    data: config.data,
    dataset: dataset ?? (config.dataset === undefined ? undefined : String(config.dataset)),
  };
}

/** The comparison as tables. */
export function formatComparison({ rows, groups, tests }: Comparison): string {
  const cells = ({ base, novel, harmonicMean, all, loss }: ComparedValues) => [
    ...[base, novel, harmonicMean, all].map((value) => fixed(value)),
    fixed(loss, 3),
  ];
  const summary = groups.map(({ runs, mean, deviation }) => {
    const spread = cells(deviation);
    return [
      `mean of ${runs.length} (${runs.join(', ')})`,
      ...cells(mean).map((value, i) => (value === '-' ? value : `${value} +- ${spread[i]}`)),
    ];
  });
  const table = formatTable(
    ['model', 'base', 'novel', 'HM', 'all', 'last loss'],
    [...rows.map((row) => [row.name, ...cells(row)]), ...summary],
  );
  if (tests.length === 0) return table;
  const pairs = tests.map(({ first, second, onlyFirst, onlySecond, p, adjusted }) => [
    ...[first, second, String(onlyFirst), String(onlySecond), probability(p), probability(adjusted)],
  ]);
  return `${table}\nMcNemar's test, all classes\n${formatTable(
    ['one', 'other', 'only one right', 'only other right', 'p', 'Holm'],
    pairs,
    { text: 2 },
  )}`;
}
