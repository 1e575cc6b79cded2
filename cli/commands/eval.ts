/** `promptkd eval`: accuracies of runs and of plain CLIP on a data set's test images, in one table. */
import type { Command } from 'commander';
import { UserError } from '../../engine/errors.js';
import { zeroShotTemplate } from '../../models/clip/templates.js';
import { checkImages } from '../../models/datasets/checkImages.js';
import type { Dataset } from '../../models/datasets/dataset.js';
import { loadDataset } from '../../models/datasets/loadDataset.js';
import type { Skipped } from '../../models/datasets/skipped.js';
import type { Job } from '../../models/job.js';
import { type Baseline, baselineOf } from '../../models/promptkd/use/baseline.js';
import { Classifier } from '../../models/promptkd/use/classifier.js';
import { type Examined, evaluationHtml, type ReportedModel } from '../../report/evaluationReport.js';
import { thumbnailsOf } from '../../report/photos.js';
import { readRecord } from '../../report/readRecord.js';
import { addPrecisionOption, type PrecisionFlags } from '../device/gpu.js';
import { addJobOptions, type JobFlags, withJob } from '../device/job.js';
import { addImageOptions, brokenShare, type ImageFlags } from '../options/images.js';
import { nodePlatform } from '../platform/node.js';
import { addHelp, type HelpText } from '../terminal/help.js';
import { print, printJson, say } from '../terminal/output.js';
import { formatAccuracies, type NamedAccuracy } from '../terminal/table.js';

interface Flags extends JobFlags, PrecisionFlags, ImageFlags {
  readonly clip?: readonly string[];
  readonly tokenizer?: string;
  readonly classVectors?: string;
  readonly teacherClip?: string;
  readonly data: string;
  readonly dataset?: string;
  readonly json?: boolean;
  readonly report?: string;
}

const HELP: HelpText = {
  about: [
    'Accuracies in percent, one model per row:',
    {
      base: 'images of the base classes (the first half) among the base classes',
      novel: 'images of the other classes among those',
      HM: 'harmonic mean of base and novel',
      all: 'all images among all classes',
    },
    'Plain CLIP gets the prompt for the data set if it is a known one, and "a photo of a {}." otherwise.',
    "A model may also be a file: one that promptkd export wrote, or a teacher or student of the authors' code. A PyTorch student " +
      'lacks class vectors and a PyTorch teacher lacks token embeddings: give --class-vectors or --teacher-clip.',
    'Images that cannot be read are not counted; they are listed at the end.',
    '--report FILE writes a page with more: before and after training, classes that gained and lost, confusions, the surest and ' +
      'least sure images, and the training of a run. Before is plain CLIP with the same class prompts. It opens offline.',
  ],
  examples: [
    'promptkd eval runs/pets-teacher runs/pets --clip ViT-B-16 --data oxford_pets',
    'promptkd eval runs/pets --data oxford_pets --report pets.html',
    'promptkd eval pets.safetensors student.pth.tar --class-vectors pets-vectors.safetensors --data oxford_pets',
  ],
};

/** Adds the command to the program. */
export function register(program: Command): void {
  const command = program
    .command('eval')
    .description('measure accuracy on base, novel and all classes')
    .argument('[run...]', 'run folders or files of teachers and students')
    .option('--clip <folder...>', 'also evaluate these CLIPs, zero-shot')
    .option('--tokenizer <file>', 'tokenizer of the CLIPs, if it is not next to the checkpoint')
    .option('--class-vectors <file>', "use these class vectors instead of the students' own")
    .option('--teacher-clip <folder>', 'CLIP that teacher checkpoints were tuned from')
    .requiredOption('--data <folder>', 'data set with test images')
    .option('--dataset <name>', 'name of the data set, if the --data folder holds several known ones')
    .option('--json', 'print the accuracies as JSON')
    .option('--report <file>', 'also write a page (HTML) that compares each run with its plain CLIP');
  addImageOptions(addPrecisionOption(addJobOptions(command)), 0.1);
  addHelp(command, HELP).action(async (runs: string[], flags: Flags) => {
    const { clip: clips = [], tokenizer, dataset, allowOutside } = flags;
    if (runs.length + clips.length === 0)
      throw new UserError('there is no model to evaluate', 'give run folders, or --clip FOLDER');
    const data = await loadDataset(nodePlatform, flags.data, { dataset, allowOutside });
    if (data.classNames.length === 0)
      throw new UserError(
        `${flags.data} has no labels`,
        'give --data FOLDER with labelled images, such as test/<class>/ folders',
      );
    const { rows, skipped } = await withJob(flags, async (job) => {
      for (const note of data.notes) job.note(note);
      const { items, skipped } = await checkImages(job, data.test, { maxBroken: brokenShare(flags) });
      const test = { ...data, test: items };
      const found: NamedAccuracy[] = [];
      const reported: ReportedModel[] = [];
      const evaluate = async (name: string, make: () => Promise<Classifier>, run?: string) => {
        const classifier = await make();
        if (flags.report === undefined) {
          found.push({ name, ...(await classifier.evaluate(job, test, name, skipped)) });
          classifier.destroy();
          return;
        }
        const model = await examine(job, classifier, test, name, skipped);
        found.push({ name, ...model.accuracy });
        const before = run === undefined ? undefined : await earlier(job, run, test, reported, skipped);
        const record = run === undefined ? undefined : await readRecord(job.platform, run);
        reported.push({ ...model, before, record });
      };
      for (const clip of clips)
        await evaluate(`${clip} zero-shot`, () =>
          Classifier.plain(job, clip, data.classNames, {
            tokenizer,
            template: zeroShotTemplate(data.name),
          }),
        );
      for (const run of runs)
        await evaluate(run, () => Classifier.ofRun(job, run, data.classNames, flags), run);
      if (flags.report !== undefined) {
        const html = await evaluationHtml({
          ...{ title: `Evaluation on ${data.name}`, data: data.name, adapter: job.gpu.adapter.name },
          ...{ classNames: data.classNames, images: items, models: reported },
          thumbnail: thumbnailsOf(job.platform),
        });
        await job.platform.write(flags.report, html);
      }
      return { rows: found, skipped };
    });
    const { name, classNames } = data;
    if (flags.json)
      await printJson({
        data: name,
        classNames,
        models: rows,
        skipped: skipped.list().map(({ path, reason }) => ({ path, error: reason })),
      });
    else await print(formatAccuracies(rows));
    const summary = skipped.summary();
    if (summary) say(`${summary}\n`);
    if (flags.report !== undefined) say(`the report is in ${flags.report}\n`);
  });
}

async function examine(
  job: Job,
  classifier: Classifier,
  data: Pick<Dataset, 'name' | 'test'>,
  name: string,
  skipped: Skipped,
): Promise<Examined> {
  const { accuracy, outcomes } = await classifier.examine(job, data, name, skipped);
  classifier.destroy();
  return { name, accuracy, outcomes, classes: classifier.classes };
}

/** Plain CLIP before the training of `run`; the same one is evaluated once. */
async function earlier(
  job: Job,
  run: string,
  data: Dataset,
  done: readonly ReportedModel[],
  skipped: Skipped,
): Promise<Examined | undefined> {
  try {
    const baseline = await baselineOf(job.platform, run);
    if (!baseline) return undefined;
    const name = nameOf(baseline);
    const known = done.find(({ before }) => before?.name === name)?.before;
    if (known) return known;
    return await examine(
      job,
      await Classifier.plain(job, baseline.clip, data.classNames, baseline),
      ...([data, name, skipped] as const),
    );
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    job.note(`${run} is not compared with its plain CLIP: ${error.message}`);
    return undefined;
  }
}

const nameOf = ({ clip, template }: Baseline): string =>
  `${clip} zero-shot${template ? `, "${template}"` : ''}`;
