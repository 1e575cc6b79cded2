/** `promptkd predict`: the most likely classes of images. */
import type { Command } from 'commander';
import { UserError } from '../../engine/errors.js';
import { checkImages } from '../../models/datasets/checkImages.js';
import { findImages } from '../../models/datasets/imagePaths.js';
import type { Job } from '../../models/job.js';
import { percent } from '../../models/numbers.js';
import { Classifier } from '../../models/promptkd/use/classifier.js';
import { type Prediction, topK } from '../../models/promptkd/use/topK.js';
import { addPrecisionOption, type PrecisionFlags } from '../device/gpu.js';
import { addJobOptions, type JobFlags, withJob } from '../device/job.js';
import { addClassOptions, type ClassFlags, readClassNames } from '../options/classes.js';
import { addImageOptions, brokenShare, type ImageFlags } from '../options/images.js';
import { nodePlatform } from '../platform/node.js';
import { parseCount } from '../settings.js';
import { addHelp, type HelpText } from '../terminal/help.js';
import { print, printJson, say } from '../terminal/output.js';
import { formatTable } from '../terminal/table.js';

interface Flags extends JobFlags, PrecisionFlags, ClassFlags, ImageFlags {
  readonly clip?: string;
  readonly tokenizer?: string;
  readonly classVectors?: string;
  readonly teacherClip?: string;
  readonly top: number;
  readonly json?: boolean;
}

const HELP: HelpText = {
  about: [
    'A student knows the classes of its class vectors, and --classes or --class selects some of them. A teacher or plain CLIP ' +
      'needs class names. A folder stands for the images in it, a text file (.txt) for the paths in it, one per line. ' +
      'Probabilities are the softmax over the classes. Images that cannot be read are listed with the reason.',
  ],
  examples: [
    'promptkd predict runs/pets photos/cat.jpg more-photos --top 3',
    'promptkd predict --clip ViT-B-16 --class cat dog -- photos/cat.jpg',
  ],
};

/** Adds the command to the program. */
export function register(program: Command): void {
  const command = program
    .command('predict')
    .description('predict the classes of images')
    .argument(
      '[run-and-paths...]',
      'run folder or exported file (not with --clip), then image files, folders and lists (.txt)',
    )
    .option('--clip <folder>', 'use plain CLIP instead of a run')
    .option('--tokenizer <file>', 'tokenizer of the CLIP, if it is not next to the checkpoint')
    .option('--class-vectors <file>', "use these class vectors instead of the student's own")
    .option('--teacher-clip <folder>', 'CLIP that a teacher checkpoint was tuned from')
    .option('--top <k>', 'number of classes to show', parseCount, 5)
    .option('--json', 'print the predictions as JSON');
  addImageOptions(addPrecisionOption(addJobOptions(addClassOptions(command, { data: false }))), 1);
  addHelp(command, HELP).action(async (given: string[], flags: Flags) => {
    const [run, paths] = flags.clip === undefined ? [given[0], given.slice(1)] : [undefined, given];
    if (run === undefined && flags.clip === undefined)
      throw new UserError('the model is missing', 'give a run folder, or --clip FOLDER with --classes FILE');
    if (paths.length === 0)
      throw new UserError('images are missing', 'give image files, folders or .txt lists after the run');
    const { items: named, notes } = await findImages(nodePlatform, paths, flags);
    const { images, skipped } = await withJob(flags, async (job) => {
      for (const note of notes) job.note(note);
      const { items, skipped } = await checkImages(job, named, { maxBroken: brokenShare(flags) });
      const classifier = await openClassifier(job, run, flags);
      const { classNames } = classifier;
      const { rows, missing } = await classifier.logits(job, items, 'predicting', skipped);
      classifier.destroy();
      const found = new Map<string, Prediction[]>();
      items.forEach(({ path }, i) => {
        const row = rows.subarray(i * classNames.length, (i + 1) * classNames.length);
        if (!missing.has(i)) found.set(path, topK(row, classNames, flags.top));
      });
      const images = named.map(({ path }): Image => {
        const predictions = found.get(path);
        return predictions ? { path, predictions } : { path, error: skipped.reason(path)! };
      });
      return { images, skipped };
    });
    if (flags.json) await printJson(images);
    else await print(format(images));
    if (skipped.count > 0) say(`${skipped.said()}\n`);
  });
}

type Image =
  | { readonly path: string; readonly predictions: readonly Prediction[] }
  | { readonly path: string; readonly error: string };

async function openClassifier(job: Job, run: string | undefined, flags: Flags): Promise<Classifier> {
  const names = await readClassNames(job.platform, flags);
  if (run !== undefined) return Classifier.ofRun(job, run, names, flags);
  if (!names) throw new UserError('plain CLIP needs class names', 'give --classes FILE or --class NAME');
  return Classifier.plain(job, flags.clip!, names, { tokenizer: flags.tokenizer });
}

function format(images: readonly Image[]): string {
  const rows = images.flatMap((image) =>
    'error' in image
      ? [[image.path, `skipped: ${image.error}`, '']]
      : image.predictions.map(({ className, probability }, i) => [
          i === 0 ? image.path : '',
          className,
          percent(probability, 1),
        ]),
  );
  return formatTable(['image', 'class', 'probability'], rows, { text: 2 });
}
