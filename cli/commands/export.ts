/** `promptkd export`: a finished run as one file, for the authors' code or without anything else. */
import { type Command, Option } from 'commander';
import { UserError } from '../../engine/errors.js';
import { EXPORT_FORMATS, type ExportOptions, exportRun } from '../../models/promptkd/use/exportRun.js';
import { print } from '../output.js';
import { nodePlatform } from '../platform/node.js';
import { createProgress } from '../progress.js';

interface Flags extends Omit<ExportOptions, 'onProgress'> {
  readonly out: string;
  readonly force?: boolean;
}

const HELP = `
pytorch: a checkpoint that torch.load reads and the authors' code loads, under its names: whole towers and prompts; of a
student also the projection. It has no class vectors.
safetensors: what was learned, and a student's class vectors with their names. With --merged also the student's image
encoder, so that eval and predict need nothing else.
onnx: a student as one graph, from normalised images [n, 3, size, size] to logits [n, classes], for onnxruntime and other
runtimes (operator set 17). Class names, size, mean and deviation are in the file's metadata.
The frozen weights keep the precision of their checkpoint; --half stores their matrices as float16.

Example:
  promptkd export runs/pets --format pytorch --out model-best.pth.tar
  promptkd export runs/pets --format safetensors --merged --half --out pets.safetensors
  promptkd export runs/pets --format onnx --out pets.onnx
Next:
  promptkd predict pets.safetensors photos/cat.jpg`;

export function register(program: Command): void {
  program
    .command('export')
    .description('write a finished run as one file: PyTorch checkpoint, safetensors or ONNX')
    .argument('<run>', 'run folder of a teacher or student')
    .addOption(new Option('--format <format>', 'kind of file').choices(EXPORT_FORMATS).makeOptionMandatory())
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
