/** `promptkd teacher`: stage 1, tunes the prompts of a CLIP with a few labelled images. */
import type { Command } from 'commander';
import { runTeacher } from '../../models/promptkd/stage1/run.js';
import { addJobOptions, type JobFlags, withJob } from '../device/job.js';
import { addDryRunOption, type DryRunFlags, dryRun } from '../dryRun.js';
import { nodePlatform } from '../platform/node.js';
import { addSettingsOptions, readSettings, type SettingsFlags } from '../settings.js';
import { print } from '../terminal/output.js';

type Flags = SettingsFlags & JobFlags & DryRunFlags;

const HELP = `
Stage 1 (PromptSRC): the weights of the CLIP stay as they are; a few prompt tokens in both of its encoders are learned from
labelled images of the base classes, so that novel classes profit too. The run folder gets config.yaml, metrics.jsonl, timing.jsonl,
checkpoints/ and teacher.safetensors.
Other methods: ivlp has the same prompts and cross-entropy alone; coop tunes a context of the text prompt; clip tunes nothing
and makes plain zero-shot CLIP the teacher, with the prompt that suits the data set or --template.

Example:
  promptkd teacher --clip ViT-L-14 --data oxford_pets --classes base --shots 16 --out runs/pets-teacher
  promptkd teacher --method clip --clip ViT-L-14 --data oxford_pets --out runs/pets-plain
Next:
  promptkd eval runs/pets-teacher --data oxford_pets
  promptkd distill --teacher runs/pets-teacher --clip ViT-B-16 --data oxford_pets --out runs/pets`;

export function register(program: Command): void {
  const command = program
    .command('teacher')
    .description("stage 1: tune a CLIP's prompts with a few labelled images")
    .addHelpText('after', HELP);
  addDryRunOption(addJobOptions(addSettingsOptions(command, 'teacher'))).action(async (flags: Flags) => {
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
