/** `promptkd teacher`: stage 1, tunes the prompts of a CLIP on a few labelled images. */
import type { Command } from 'commander';
import { runTeacher } from '../../models/promptkd/stage1/run.js';
import { addJobOptions, type JobFlags, withJob } from '../device/job.js';
import { addDryRunOption, type DryRunFlags, dryRun } from '../dryRun.js';
import { nodePlatform } from '../platform/node.js';
import { addSettingsOptions, readSettings, type SettingsFlags } from '../settings.js';
import { addHelp, groupTrainingOptions, type HelpText } from '../terminal/help.js';
import { print } from '../terminal/output.js';

type Flags = SettingsFlags & JobFlags & DryRunFlags;

const HELP: HelpText = {
  about: [
    'Stage 1 (PromptSRC): the weights of the CLIP stay frozen. A few prompt tokens in both encoders are learned from labelled ' +
      'images of the base classes, in a way that helps novel classes too. The run folder gets config.yaml, ' +
      'metrics.jsonl, timing.jsonl, checkpoints/ and teacher.safetensors.',
    'Other methods:',
    {
      ivlp: 'the same prompts, trained with cross-entropy alone',
      coop: 'tunes only a context in the text prompt, with cross-entropy',
      clip: 'tunes nothing: plain zero-shot CLIP is the teacher, with --template or the prompt for the data set',
    },
    'Flags override --config, which overrides --preset. Required settings may be in the file of --config, or in the run that ' +
      '--resume continues; --out is always needed.',
  ],
  examples: [
    'promptkd teacher --clip ViT-L-14 --data oxford_pets --classes base --shots 16 --out runs/pets-teacher',
    'promptkd teacher --method clip --clip ViT-L-14 --data oxford_pets --out runs/pets-plain',
    'promptkd teacher --dry-run 37 --clip ViT-L/14 --batch 4',
  ],
  next: [
    'promptkd eval runs/pets-teacher --data oxford_pets',
    'promptkd distill --teacher runs/pets-teacher --clip ViT-B-16 --data oxford_pets --out runs/pets',
  ],
};

/** Adds the command to the program. */
export function register(program: Command): void {
  const command = program
    .command('teacher')
    .description("stage 1: tune a CLIP's prompts on a few labelled images per class");
  addDryRunOption(addJobOptions(addSettingsOptions(command, 'teacher')));
  addHelp(groupTrainingOptions(command), HELP).action(async (flags: Flags) => {
    if (flags.dryRun !== undefined) {
      await print(await dryRun(nodePlatform, 'teacher', flags));
      return;
    }
    const settings = await readSettings(nodePlatform, 'teacher', flags);
    await withJob(flags, (job) => runTeacher(job, settings, flags.out, flags));
    await print(
      `the teacher is in ${flags.out}\n` +
        `next: promptkd eval ${flags.out} --data ${settings.data}\n` +
        `      promptkd distill --teacher ${flags.out} --clip STUDENT --data ${settings.data} --out RUN\n`,
    );
  });
}
