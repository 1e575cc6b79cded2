/** `promptkd class-vectors`: computes a teacher's text features of class names and stores them in a file. */
import { type Command, Option } from 'commander';
import { UserError } from '../../engine/errors.js';
import { PLAIN_TEMPLATE } from '../../models/clip/templates.js';
import { encodeClassVectors } from '../../models/promptkd/classVectors/classVectors.js';
import { makeClassVectors } from '../../models/promptkd/classVectors/makeClassVectors.js';
import { loadPlainClip } from '../../models/promptkd/files/loadPlainClip.js';
import { loadTeacher } from '../../models/promptkd/files/loadTeacher.js';
import { addGpuOptions, addPrecisionOption, type GpuFlags, type PrecisionFlags } from '../device/gpu.js';
import { withJob } from '../device/job.js';
import { addClassOptions, type ClassFlags, readClassNames } from '../options/classes.js';
import { nodePlatform } from '../platform/node.js';
import { addHelp, type HelpText } from '../terminal/help.js';
import { print } from '../terminal/output.js';

interface Flags extends GpuFlags, PrecisionFlags, ClassFlags {
  readonly teacher?: string;
  readonly teacherClip?: string;
  readonly clip?: string;
  readonly tokenizer?: string;
  readonly template?: string;
  readonly out: string;
}

const HELP: HelpText = {
  about: [
    'Give --teacher or --clip, and class names with --classes, --class or --data. The file also records what it was ' +
      'made from: the SHA-256 of the checkpoint and of the prompts, the class names in order, and the template.',
  ],
  examples: [
    'promptkd class-vectors --teacher runs/pets-teacher --classes names.txt --out pets.safetensors',
    "promptkd class-vectors --clip ViT-B-16 --class cat dog 'polar bear' --out animals.safetensors",
  ],
  next: [
    'promptkd distill --teacher runs/pets-teacher --class-vectors pets.safetensors --clip ViT-B-16 --data photos --out runs/pets',
  ],
};

/** Adds the command to the program. */
export function register(program: Command): void {
  const command = program
    .command('class-vectors')
    .description("compute a teacher's text features of class names and store them for distill")
    .addOption(
      new Option(
        '--teacher <run>',
        'run folder of stage 1, or a PromptSRC or IVLP checkpoint (model-best.pth.tar)',
      ).conflicts(['clip', 'tokenizer', 'template']),
    )
    .option(
      '--teacher-clip <folder>',
      'CLIP that the teacher was tuned from; only needed when --teacher is a checkpoint',
    )
    .option('--clip <folder>', 'use plain CLIP instead of a tuned teacher')
    .option('--tokenizer <file>', 'tokenizer of the CLIP, if it is not next to the checkpoint')
    .option(
      '--template <text>',
      `prompt for plain CLIP; {} stands for the class name (default: ${PLAIN_TEMPLATE})`,
    );
  addPrecisionOption(addGpuOptions(addClassOptions(command, { data: true }))).requiredOption(
    '--out <file>',
    'file to write',
  );
  addHelp(command, HELP).action(async (flags: Flags) => {
    const { teacher: run, teacherClip, clip, tokenizer, template, out } = flags;
    if ((run === undefined) === (clip === undefined))
      throw new UserError(
        'class vectors need either a tuned teacher or a plain CLIP',
        'give --teacher RUN or --clip FOLDER',
      );
    if (template !== undefined && !template.includes('{}'))
      throw new UserError(`the template "${template}" has no {}`, 'put {} where the class name goes');
    if (await nodePlatform.stat(out))
      throw new UserError(`${out} exists already`, 'give another --out FILE, or delete it');
    const names = await readClassNames(nodePlatform, flags);
    if (!names)
      throw new UserError('class names are missing', 'give --classes FILE, --class NAME or --data FOLDER');
    await withJob(flags, async (job) => {
      const teacher =
        run === undefined
          ? await loadPlainClip(job, clip!, { tokenizer, template })
          : await loadTeacher(job, run, teacherClip);
      await job.platform.write(out, encodeClassVectors(await makeClassVectors(job, teacher, names)));
    });
    await print(`wrote ${names.length} class vectors to ${out}\n`);
  });
}
