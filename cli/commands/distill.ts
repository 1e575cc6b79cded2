/** `promptkd distill`: stage 2, distils a tuned teacher into a small CLIP on unlabelled images. */
import type { Command } from 'commander';
import { runStudent } from '../../models/promptkd/stage2/run.js';
import { addJobOptions, type JobFlags, withJob } from '../device/job.js';
import { addDryRunOption, type DryRunFlags, dryRun } from '../dryRun.js';
import { nodePlatform } from '../platform/node.js';
import { addSettingsOptions, readSettings, type SettingsFlags } from '../settings.js';
import { addHelp, groupTrainingOptions, type HelpText } from '../terminal/help.js';
import { print } from '../terminal/output.js';

type Flags = SettingsFlags & JobFlags & DryRunFlags;

const HELP: HelpText = {
  about: [
    "Stage 2 (PromptKD): trains vision prompts and a small projection of the student, so that its logits against the teacher's " +
      "class vectors imitate the teacher's. Images need no labels: with --class-vectors a flat folder is enough. The run " +
      'folder gets config.yaml, metrics.jsonl, timing.jsonl, checkpoints/, class-vectors.safetensors and ' +
      'student.safetensors.',
    "A PromptSRC or IVLP checkpoint of the authors' code lacks token embeddings and tokenizer: name the CLIP that it was tuned " +
      'from with --teacher-clip.',
    'With --teacher-cache, a later run with the same crops skips the teacher; losses are identical bit by bit. Learning rate, ' +
      'temperature, depth and the like may differ, but the seed decides the crops: give runs with different seeds the ' +
      'same --crop-seed. Cached features are rounded to float16, in the first run too, so losses differ slightly from ' +
      'those of a run without a cache.',
    'Flags override --config, which overrides --preset. Required settings may be in the file of --config, or in the run that ' +
      '--resume continues; --out is always needed.',
  ],
  examples: [
    'promptkd distill --teacher runs/pets-teacher --clip ViT-B-16 --data oxford_pets --out runs/pets',
    'promptkd distill --teacher runs/pets-teacher --clip ViT-B-16 --data photos --class-vectors pets.safetensors --out runs/pets',
    'promptkd distill --teacher model-best.pth.tar --teacher-clip ViT-L-14 --clip ViT-B-16 --data oxford_pets --out runs/pets',
    'promptkd distill --teacher runs/pets-teacher --clip ViT-B-32 --data oxford_pets --images-per-class 64 --out runs/pets-b32',
  ],
  next: ['promptkd predict runs/pets photos/cat.jpg'],
};

/** Adds the command to the program. */
export function register(program: Command): void {
  const command = program
    .command('distill')
    .description('stage 2: distil a tuned teacher into a small CLIP, on unlabelled images');
  addDryRunOption(addJobOptions(addSettingsOptions(command, 'student')));
  addHelp(groupTrainingOptions(command), HELP).action(async (flags: Flags) => {
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
