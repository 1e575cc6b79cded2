/** `promptkd export`: writes a finished run to one file, for the authors' code or to be used by itself, or to a web page. */
import { type Command, Option } from 'commander';
import { UserError } from '../../engine/errors.js';
import { mebibytes } from '../../engine/index.js';
import { EXPORT_FORMATS, type ExportOptions, exportRun } from '../../models/promptkd/use/exportRun.js';
import { nodePlatform } from '../platform/node.js';
import { exportWebFolder } from '../platform/webFolder.js';
import { addHelp, type HelpText } from '../terminal/help.js';
import { print } from '../terminal/output.js';
import { createProgress } from '../terminal/progress.js';

interface Flags extends Omit<ExportOptions, 'onProgress' | 'format'> {
  readonly format: ExportOptions['format'] | 'web';
  readonly out: string;
  readonly force?: boolean;
}

const HELP: HelpText = {
  about: [
    {
      pytorch:
        "a checkpoint for torch.load and the authors' code, under its names: whole encoders and prompts; for a student " +
        'also the projection, but no class vectors',
      safetensors:
        'what was trained, and for a student the class vectors with their names; with --merged also the image encoder, so ' +
        'that eval and predict need no other file',
      onnx:
        'a student as one graph for onnxruntime and others (operator set 17): normalised images [n, 3, size, size] to logits ' +
        '[n, classes]; class names, size, mean and deviation are in its metadata',
      web:
        'a folder of static files with one page: a person drops images, picks files or opens the camera and sees the most likely ' +
        "classes, computed on the visitor's own GPU (WebGPU); nothing is uploaded; serve it over https or from localhost",
    },
    'Frozen weights keep the precision of their checkpoint; --half stores their matrices as float16.',
  ],
  examples: [
    'promptkd export runs/pets --format pytorch --out model-best.pth.tar',
    'promptkd export runs/pets --format safetensors --merged --half --out pets.safetensors',
    'promptkd export runs/pets --format onnx --out pets.onnx',
    'promptkd export runs/pets --format web --half --out pets-page',
  ],
  next: ['promptkd predict pets.safetensors photos/cat.jpg'],
};

/** Adds the command to the program. */
export function register(program: Command): void {
  const command = program
    .command('export')
    .description('write a finished run for others: PyTorch checkpoint, safetensors, ONNX, or a web page')
    .argument('<run>', 'run folder of a teacher or student')
    .addOption(
      new Option('--format <format>', 'file format')
        .choices([...EXPORT_FORMATS, 'web'])
        .makeOptionMandatory(),
    )
    .option('--merged', "safetensors: include the student's image encoder")
    .option('--half', 'store frozen matrices as float16')
    .requiredOption('--out <path>', 'file to write; with web, folder')
    .option('--force', 'replace the file if it exists; with web, files in the folder');
  addHelp(command, HELP).action(async (run: string, flags: Flags) => {
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
          `wrote the student's page to ${out}: ${mebibytes(bytes)}\n` +
            `next, look at it: python3 -m http.server -d ${out}, and open http://localhost:8000\n`,
        );
      }
      const { kind, tensors, bytes } = await exportRun(nodePlatform, run, out, {
        ...flags,
        format,
        onProgress,
      });
      bar.end();
      await print(`wrote the ${kind} to ${out}: ${tensors} tensors, ${mebibytes(bytes)}\n`);
    } finally {
      progress.close();
    }
  });
}

async function requireFree({ out, force }: Flags): Promise<void> {
  const there = await nodePlatform.stat(out);
  if (there?.kind === 'folder') throw new UserError(`${out} is a folder`, 'give --out FILE');
  if (there && !force)
    throw new UserError(`${out} exists already`, 'give another --out FILE, or add --force');
}
