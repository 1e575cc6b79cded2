/** `promptkd distill`: stage 2, teaches a small CLIP what a tuned teacher sees in unlabelled images. */
import type { Command } from 'commander';
import { runStudent } from '../../models/promptkd/stage2/run.js';
import { addJobOptions, type JobFlags, withJob } from '../device/job.js';
import { addDryRunOption, type DryRunFlags, dryRun } from '../dryRun.js';
import { nodePlatform } from '../platform/node.js';
import { addSettingsOptions, readSettings, type SettingsFlags } from '../settings.js';
import { print } from '../terminal/output.js';

type Flags = SettingsFlags & JobFlags & DryRunFlags;

const HELP = `
Stage 2 (PromptKD): learns vision prompts and a small projection of a small CLIP, so that its logits against the teacher's
class vectors imitate the teacher's. The images need no labels: a flat folder will do, with the class names in a file of
class vectors. The run folder gets config.yaml, metrics.jsonl, timing.jsonl, checkpoints/,
class-vectors.safetensors and student.safetensors.

A teacher of the authors' PromptSRC or IVLP (model-best.pth.tar) takes its token embeddings and tokenizer from the CLIP that
it was tuned from: --teacher-clip.

With --teacher-cache the teacher's image features are kept on disk and found again by what they were made of: the teacher's and
the image's hashes, the crop, the precision, the kind of adapter. A second run with the same crops leaves the teacher out and has
the same losses. Learning rate, temperature, depth and the like do not matter for them, a seed does, as it decides the crops: give several seeds
one --crop-seed. Features are rounded to float16 in the first run too, so losses differ a little from those without a cache.

Example:
  promptkd distill --teacher runs/pets-teacher --clip ViT-B-16 --data oxford_pets --out runs/pets
  promptkd distill --teacher runs/pets-teacher --clip ViT-B-16 --data photos --class-vectors pets.safetensors --out runs/pets
  promptkd distill --teacher model-best.pth.tar --teacher-clip ViT-L-14 --clip ViT-B-16 --data oxford_pets --out runs/pets
  promptkd distill --teacher runs/pets-teacher --clip ViT-B-32 --data oxford_pets --images-per-class 64 --out runs/pets-b32
Next:
  promptkd predict runs/pets photos/cat.jpg`;

export function register(program: Command): void {
  const command = program
    .command('distill')
    .description('stage 2: distil a tuned teacher into a small CLIP, on unlabelled images')
    .addHelpText('after', HELP);
  addDryRunOption(addJobOptions(addSettingsOptions(command, 'student'))).action(async (flags: Flags) => {
    if (flags.dryRun !== undefined) {
      await print(await dryRun(nodePlatform, 'student', flags));
      return;
    }
    const settings = await readSettings(nodePlatform, 'student', flags);
    await withJob(flags, (job) => runStudent(job, settings, flags.out, flags));
    await print(
      `the student is in ${flags.out}\n` +
        `next: promptkd eval ${flags.out} --data ${settings.data}\n` +
        `      promptkd predict ${flags.out} IMAGE...\n`,
    );
  });
}
