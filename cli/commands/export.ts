/** `promptkd export`: a finished run as one file, for the authors' code or without anything else, or as a page for browsers. */
import { type Command, Option } from 'commander';
import { UserError } from '../../engine/errors.js';
import { mebibytes } from '../../engine/gpu/gpu.js';
import { EXPORT_FORMATS, type ExportOptions, exportRun } from '../../models/promptkd/use/exportRun.js';
import { print } from '../output.js';
import { nodePlatform } from '../platform/node.js';
import { createProgress } from '../progress.js';
import { exportWebFolder } from '../webFolder.js';

interface Flags extends Omit<ExportOptions, 'onProgress' | 'format'> {
  readonly format: ExportOptions['format'] | 'web';
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
web: a folder of static files with one page, on which a person drops images, picks files or opens the camera and sees the most
likely classes. It computes on the visitor's own GPU (WebGPU) and uploads nothing. Put the folder at any address of any web
server, with https or on localhost; opened as a file, browsers let it load nothing.
The frozen weights keep the precision of their checkpoint; --half stores their matrices as float16.

Example:
  promptkd export runs/pets --format pytorch --out model-best.pth.tar
  promptkd export runs/pets --format safetensors --merged --half --out pets.safetensors
  promptkd export runs/pets --format onnx --out pets.onnx
  promptkd export runs/pets --format web --half --out pets-page
Next:
  promptkd predict pets.safetensors photos/cat.jpg`;

export function register(program: Command): void {
  program
    .command('export')
    .description('write a finished run for others: PyTorch checkpoint, safetensors, ONNX, or a web page')
    .argument('<run>', 'run folder of a teacher or student')
    .addOption(
      new Option('--format <format>', 'kind of file')
        .choices([...EXPORT_FORMATS, 'web'])
        .makeOptionMandatory(),
    )
    .option('--merged', "safetensors: with the student's image encoder")
    .option('--half', 'store the matrices of frozen weights as float16')
    .requiredOption('--out <path>', 'file to write; with web, folder')
    .option('--force', 'replace the file if it exists; with web, files in the folder')
    .addHelpText('after', HELP)
    .action(async (run: string, flags: Flags) => {
      const { out, format } = flags;
      if (format !== 'web') await requireFree(flags);
      const progress = createProgress();
      const bar = progress.begin(`writing ${out}`, 1);
      const onProgress = (done: number, total: number) => bar.update(done / total);
      try {
        if (format === 'web') {
          const bytes = await exportWebFolder(run, out, { ...flags, onProgress });
          bar.end();
          return await print(
            `the student's page is in ${out}: ${mebibytes(bytes)}\n` +
              `next, look at it: python3 -m http.server -d ${out}, and open http://localhost:8000\n`,
          );
        }
        const { kind, tensors, bytes } = await exportRun(nodePlatform, run, out, {
          ...flags,
          ...{ format, onProgress },
        });
        bar.end();
        await print(`the ${kind} is in ${out}: ${tensors} tensors, ${mebibytes(bytes)}\n`);
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
