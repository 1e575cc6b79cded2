/** `promptkd export`: a finished run as one file, for the authors' code or without anything else. */
import { type Command, Option } from 'commander';
import { UserError } from '../../engine/errors.js';
import { type ExportOptions, exportRun } from '../../models/promptkd/use/exportRun.js';
import { nodePlatform } from '../platform/node.js';
import { print } from '../terminal/output.js';
import { createProgress } from '../terminal/progress.js';

interface Flags extends Omit<ExportOptions, 'onProgress'> {
  readonly out: string;
  readonly force?: boolean;
}

const HELP = `
pytorch: a checkpoint that torch.load reads and the authors' code loads, under its names: whole towers and prompts; of a
student also the projection. It has no class vectors.
safetensors: what was learned, and a student's class vectors with their names. With --merged also the student's image
encoder, so that eval and predict need nothing else.
The frozen weights keep the precision of their checkpoint; --half stores their matrices as float16.

Example:
  promptkd export runs/pets --format pytorch --out model-best.pth.tar
  promptkd export runs/pets --format safetensors --merged --half --out pets.safetensors
Next:
  promptkd predict pets.safetensors photos/cat.jpg`;

export function register(program: Command): void {
  program
    .command('export')
    .description('write a finished run as one file: PyTorch checkpoint or safetensors')
    .argument('<run>', 'run folder of a teacher or student')
    .addOption(
      new Option('--format <format>', 'kind of file')
        .choices(['pytorch', 'safetensors'])
        .makeOptionMandatory(),
    )
    .option('--merged', "safetensors: with the student's image encoder")
    .option('--half', 'store the matrices of frozen weights as float16')
    .requiredOption('--out <file>', 'file to write')
    .option('--force', 'replace the file if it exists')
    .addHelpText('after', HELP)
    .action(async (run: string, flags: Flags) => {
      await requireFree(flags);
      const progress = createProgress();
      const bar = progress.begin(`writing ${flags.out}`, 1);
      try {
        const { kind, tensors, bytes } = await exportRun(nodePlatform, run, flags.out, {
          ...flags,
          onProgress: (done, total) => bar.update(done / total),
        });
        bar.end();
        await print(
          `the ${kind} is in ${flags.out}: ${tensors} tensors, ${(bytes / 2 ** 20).toFixed(1)} MiB\n`,
        );
      } finally {
        progress.close();
      }
    });
}

async function requireFree({ out, force }: Flags): Promise<void> {
  const there = await nodePlatform.stat(out);
  if (there?.kind === 'folder')
    throw new UserError(`the output ${out} is a folder`, 'give the name of a file');
  if (there && !force) throw new UserError(`${out} exists already`, 'give another file, or add --force');
}
