/** `promptkd distill`: stage 2, distils a tuned teacher into a small CLIP on unlabelled images. */
import type { Command } from 'commander';
import { fillTeacherCache } from '../../models/promptkd/stage2/fillCache.js';
import { runStudent } from '../../models/promptkd/stage2/run.js';
import { shardOf } from '../../models/runs/shard.js';
import { addJobOptions, type JobFlags, withJob } from '../device/job.js';
import { addDryRunOption, type DryRunFlags, dryRun } from '../dryRun.js';
import { nodePlatform } from '../platform/node.js';
import { addSettingsOptions, readSettings, type SettingsFlags } from '../settings.js';
import { addHelp, groupTrainingOptions, type HelpText } from '../terminal/help.js';
import { print } from '../terminal/output.js';

type Flags = SettingsFlags &
  JobFlags &
  DryRunFlags & {
    /** The share, or `true` where the flag has no value. */
    readonly fillCache?: true | string;
  };

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
    'With many images, several machines can share the teacher: add --fill-cache I/N to the command, with --teacher-cache FOLDER ' +
      'on a file system that all of them see. Each computes share I of N of the features that the training will ask for, and ' +
      'trains nothing. The machines need not talk to each other, and any of them may be stopped and started again. Then ' +
      'the command without --fill-cache trains; it computes what is still missing.',
    'Flags override --config, which overrides --preset. Required settings may be in the file of --config, or in the run that ' +
      '--resume continues; --out is always needed.',
  ],
  examples: [
    'promptkd distill --teacher runs/pets-teacher --clip ViT-B-16 --data oxford_pets --out runs/pets',
    'promptkd distill --teacher runs/pets-teacher --clip ViT-B-16 --data photos --class-vectors pets.safetensors --out runs/pets',
    'promptkd distill --teacher model-best.pth.tar --teacher-clip ViT-L-14 --clip ViT-B-16 --data oxford_pets --out runs/pets',
    'promptkd distill --teacher runs/pets-teacher --clip ViT-B-32 --data oxford_pets --images-per-class 64 --out runs/pets-b32',
    'promptkd distill --teacher runs/in-teacher --clip ViT-B-16 --data imagenet --out runs/in --teacher-cache /shared/features --fill-cache 2/8',
  ],
  next: ['promptkd predict runs/pets photos/cat.jpg'],
};

/** Adds the command to the program. */
export function register(program: Command): void {
  const command = program
    .command('distill')
    .description('stage 2: distil a tuned teacher into a small CLIP, on unlabelled images');
  command.option(
    '--fill-cache [share]',
    'only compute share I/N of the features that this run takes from --teacher-cache, and do not train; without I, the share comes ' +
      'from Slurm or Kubernetes; outside them, all shares',
  );
  addDryRunOption(addJobOptions(addSettingsOptions(command, 'student')));
  addHelp(groupTrainingOptions(command), HELP).action(async (flags: Flags) => {
    if (flags.dryRun !== undefined) {
      await print(await dryRun(nodePlatform, 'student', flags));
      return;
    }
    const settings = await readSettings(nodePlatform, 'student', flags);
    if (flags.fillCache !== undefined) {
      const given = flags.fillCache === true ? undefined : flags.fillCache;
      const shard = shardOf(given, process.env, '--fill-cache') ?? { index: 1, count: 1 };
      const options = { shard, checkpointMinutes: flags.checkpointMinutes };
      const { missing } = await withJob(flags, (job) => fillTeacherCache(job, settings, options));
      await print(
        missing.length === 0
          ? 'the cache is full; next: the same command without --fill-cache\n'
          : `not finished yet: ${missing.length === 1 ? 'share' : 'shares'} ${missing.join(', ')} of ${shard.count}\n`,
      );
      return;
    }
    await withJob(flags, (job) => runStudent(job, settings, flags.out, flags));
    await print(
      `the student is in ${flags.out}\n` +
        `next: promptkd eval ${flags.out} --data ${settings.data}\n` +
        `      promptkd predict ${flags.out} IMAGE...\n`,
    );
  });
}
