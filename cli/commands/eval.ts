/** `promptkd eval`: accuracy of runs and of plain CLIP on a data set's test images, in one table. */
import type { Command } from 'commander';
import { UserError } from '../../engine/errors.js';
import { zeroShotTemplate } from '../../models/clip/templates.js';
import { checkImages } from '../../models/datasets/checkImages.js';
import { loadDataset } from '../../models/datasets/loadDataset.js';
import { Classifier } from '../../models/promptkd/use/classifier.js';
import { addImageOptions, brokenShare, type ImageFlags } from '../brokenImages.js';
import { addPrecisionOption, type PrecisionFlags } from '../gpu.js';
import { addJobOptions, type JobFlags, withJob } from '../job.js';
import { print, printJson, say } from '../output.js';
import { nodePlatform } from '../platform/node.js';
import { formatAccuracies, type NamedAccuracy } from '../table.js';

interface Flags extends JobFlags, PrecisionFlags, ImageFlags {
  readonly clip?: readonly string[];
  readonly tokenizer?: string;
  readonly classVectors?: string;
  readonly teacherClip?: string;
  readonly data: string;
  readonly dataset?: string;
  readonly json?: boolean;
}

const HELP = `
base: images of the base classes (the first half) among base classes; novel: those of the others among the others; HM: the
harmonic mean of both; all: all images among all classes. In percent. Plain CLIP gets the prompt that suits a known data set,
"a photo of a {}." otherwise.

A model may be a file too: what promptkd export writes, and teachers and students of the authors' code. A PyTorch student has
no class vectors, a PyTorch teacher no token embeddings: --class-vectors and --teacher-clip supply them.

Images that cannot be read do not count; how many there are, and which, is said.

Example:
  promptkd eval runs/pets-teacher runs/pets --clip ViT-B-16 --data oxford_pets
  promptkd eval pets.safetensors student.pth.tar --class-vectors pets-vectors.safetensors --data oxford_pets`;

export function register(program: Command): void {
  const command = program
    .command('eval')
    .description('accuracy on base, novel and all classes, a model a row')
    .argument('[run...]', 'run folders or files of teachers and students')
    .option('--clip <folder...>', 'plain CLIPs to compare with, zero-shot')
    .option('--tokenizer <file>', "the CLIPs' tokenizer, when it is not beside the checkpoint")
    .option('--class-vectors <file>', "class vectors to use in place of the students' own")
    .option('--teacher-clip <folder>', 'the CLIP that teacher checkpoints were tuned from')
    .requiredOption('--data <folder>', 'data set with test images')
    .option('--dataset <name>', 'which data set, when the data folder holds several known ones')
    .option('--json', 'print the accuracies for programs')
    .addHelpText('after', HELP);
  addImageOptions(addPrecisionOption(addJobOptions(command)), 0.1).action(
    async (runs: string[], flags: Flags) => {
      const { clip: clips = [], tokenizer, dataset, allowOutside } = flags;
      if (runs.length + clips.length === 0)
        throw new UserError('there is nothing to evaluate', 'give run folders, or --clip FOLDER');
      const data = await loadDataset(nodePlatform, flags.data, { dataset, allowOutside });
      if (data.classNames.length === 0)
        throw new UserError(`${flags.data} has no labels`, 'give a data set with test/<class>/ folders');
      const { rows, skipped } = await withJob(flags, async (job) => {
        for (const note of data.notes ?? []) job.note(note);
        const { items, skipped } = await checkImages(job, data.test, { maxBroken: brokenShare(flags) });
        const found: NamedAccuracy[] = [];
        const evaluate = async (name: string, make: () => Promise<Classifier>) => {
          const classifier = await make();
          found.push({ name, ...(await classifier.evaluate(job, { ...data, test: items }, name, skipped)) });
          classifier.destroy();
        };
        for (const clip of clips)
          await evaluate(`${clip} zero-shot`, () =>
            Classifier.plain(job, clip, data.classNames, {
              tokenizer,
              template: zeroShotTemplate(data.name),
            }),
          );
        for (const run of runs) await evaluate(run, () => Classifier.ofRun(job, run, data.classNames, flags));
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
    },
  );
}
