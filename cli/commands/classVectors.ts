/** `promptkd class-vectors`: a teacher's text features of class names, computed once and kept in a file. */
import { type Command, Option } from 'commander';
import { UserError } from '../../engine/errors.js';
import { PLAIN_TEMPLATE } from '../../models/clip/templates.js';
import { encodeClassVectors } from '../../models/promptkd/classVectors/classVectors.js';
import { makeClassVectors } from '../../models/promptkd/classVectors/makeClassVectors.js';
import { loadPlainClip } from '../../models/promptkd/files/loadPlainClip.js';
import { loadTeacher } from '../../models/promptkd/files/loadTeacher.js';
import { addClassOptions, type ClassFlags, readClassNames } from '../classes.js';
import { addGpuOptions, addPrecisionOption, type GpuFlags, type PrecisionFlags } from '../gpu.js';
import { withJob } from '../job.js';
import { print } from '../output.js';
import { nodePlatform } from '../platform/node.js';

interface Flags extends GpuFlags, PrecisionFlags, ClassFlags {
  readonly teacher?: string;
  readonly teacherClip?: string;
  readonly clip?: string;
  readonly tokenizer?: string;
  readonly template?: string;
  readonly out: string;
}

const HELP = `
The file also says what made it: the checkpoint's and the prompts' SHA-256, the class names in order, the template.

Example:
  promptkd class-vectors --teacher runs/pets-teacher --classes names.txt --out pets.safetensors
  promptkd class-vectors --clip ViT-B-16 --class cat dog 'polar bear' --out animals.safetensors
Next:
  promptkd distill --teacher runs/pets-teacher --class-vectors pets.safetensors --clip ViT-B-16 --data photos --out runs/pets`;

export function register(program: Command): void {
  const command = program
    .command('class-vectors')
    .description("store a teacher's text features of class names, for distill")
    .addOption(
      new Option(
        '--teacher <run>',
        "run folder of stage 1, or the authors' checkpoint of a teacher",
      ).conflicts(['clip', 'tokenizer', 'template']),
    )
    .option(
      '--teacher-clip <folder>',
      'the CLIP that the teacher was tuned from; only needed with a checkpoint',
    )
    .option('--clip <folder>', 'plain CLIP in place of a tuned teacher')
    .option('--tokenizer <file>', "the CLIP's tokenizer, when it is not beside the checkpoint")
    .option('--template <text>', `prompt of plain CLIP, {} is the class name (default: ${PLAIN_TEMPLATE})`);
  addPrecisionOption(addGpuOptions(addClassOptions(command, { data: true })))
    .requiredOption('--out <file>', 'file to write')
    .addHelpText('after', HELP)
    .action(async (flags: Flags) => {
      const { teacher: run, teacherClip, clip, tokenizer, template, out } = flags;
      if ((run === undefined) === (clip === undefined))
        throw new UserError(
          'who makes the class vectors is not said',
          'give --teacher RUN, or --clip FOLDER',
        );
      if (template !== undefined && !template.includes('{}'))
        throw new UserError(`the template "${template}" has no {}`, 'write {} where the class name goes');
      if (await nodePlatform.stat(out))
        throw new UserError(`${out} exists already`, 'give another file, or delete it');
      const names = await readClassNames(nodePlatform, flags);
      if (!names)
        throw new UserError('there are no class names', 'give --classes FILE, --class NAME or --data FOLDER');
      await withJob(flags, async (job) => {
        const teacher =
          run === undefined
            ? await loadPlainClip(job, clip!, { tokenizer, template })
            : await loadTeacher(job, run, teacherClip);
        await job.platform.write(out, encodeClassVectors(await makeClassVectors(job, teacher, names)));
      });
      await print(`${names.length} class vectors are in ${out}\n`);
    });
}
