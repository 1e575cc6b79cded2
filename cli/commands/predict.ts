/** `promptkd predict`: the most likely classes of image files. */
import type { Command } from 'commander';
import { UserError } from '../../engine/errors.js';
import { checkImages } from '../../models/datasets/checkImages.js';
import { findImages } from '../../models/datasets/imagePaths.js';
import type { Job } from '../../models/job.js';
import { Classifier } from '../../models/promptkd/use/classifier.js';
import { type Prediction, topK } from '../../models/promptkd/use/topK.js';
import { addPrecisionOption, type PrecisionFlags } from '../device/gpu.js';
import { addJobOptions, type JobFlags, withJob } from '../device/job.js';
import { addClassOptions, type ClassFlags, readClassNames } from '../options/classes.js';
import { addImageOptions, brokenShare, type ImageFlags } from '../options/images.js';
import { nodePlatform } from '../platform/node.js';
import { parseCount } from '../settings.js';
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

const HELP = `
A student knows the classes of its class vectors, and --classes or --class chooses among them; a teacher and plain CLIP need
class names. Folders stand for the images in them, text files (.txt) for the images that they list, a path a line. Probabilities
are the softmax over the classes. Images that cannot be read are named with the reason.

Example:
  promptkd predict runs/pets photos/cat.jpg more-photos --top 3
  promptkd predict --clip ViT-B-16 --class cat dog -- photos/cat.jpg`;

export function register(program: Command): void {
  const command = program
    .command('predict')
    .description('the most likely classes of images')
    .argument(
      '[run-and-paths...]',
      'a run folder or exported file (not with --clip), then image files, folders and lists (.txt)',
    )
    .option('--clip <folder>', 'plain CLIP in place of a run')
    .option('--tokenizer <file>', "the CLIP's tokenizer, when it is not beside the checkpoint")
    .option('--class-vectors <file>', "class vectors to use in place of the student's own")
    .option('--teacher-clip <folder>', 'the CLIP that a teacher checkpoint was tuned from')
    .option('--top <k>', 'classes to show', parseCount, 5)
    .option('--json', 'print the predictions for programs')
    .addHelpText('after', HELP);
  addImageOptions(addPrecisionOption(addJobOptions(addClassOptions(command, { data: false }))), 1).action(
    async (given: string[], flags: Flags) => {
      const [run, paths] = flags.clip === undefined ? [given[0], given.slice(1)] : [undefined, given];
      if (run === undefined && flags.clip === undefined)
        throw new UserError('there is no model', 'give a run folder, or --clip FOLDER with --classes FILE');
      if (paths.length === 0)
        throw new UserError('there are no images', 'give image files, folders or lists');
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
    },
  );
}

type Image =
  | { readonly path: string; readonly predictions: readonly Prediction[] }
  | { readonly path: string; readonly error: string };

async function openClassifier(job: Job, run: string | undefined, flags: Flags): Promise<Classifier> {
  const names = await readClassNames(job.platform, flags);
  if (run !== undefined) return Classifier.ofRun(job, run, names, flags);
  if (!names)
    throw new UserError(
      'plain CLIP needs class names',
      'give --classes FILE, or --class NAME for each class',
    );
  return Classifier.plain(job, flags.clip!, names, { tokenizer: flags.tokenizer });
}

function format(images: readonly Image[]): string {
  const rows = images.flatMap((image) =>
    'error' in image
      ? [[image.path, `skipped: ${image.error}`, '']]
      : image.predictions.map(({ className, probability }, i) => [
          i === 0 ? image.path : '',
          className,
          percent(probability),
        ]),
  );
  return formatTable(['image', 'class', 'probability'], rows, { text: 2 });
}

const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
