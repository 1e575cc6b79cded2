/** `promptkd verify`: compares this machine with reference numbers, item by item. */
import type { Command } from 'commander';
import pc from 'picocolors';
import { verify } from '../../checks/verify/detect.js';
import type { VerifyItem, VerifyReport } from '../../checks/verify/item.js';
import { addGpuOptions, addPrecisionOption, type GpuFlags, type PrecisionFlags } from '../device/gpu.js';
import { withJob } from '../device/job.js';
import { addHelp, type HelpText } from '../terminal/help.js';
import { print, printJson } from '../terminal/output.js';
import { formatTable } from '../terminal/table.js';

interface Flags extends GpuFlags, PrecisionFlags {
  readonly tokenizer?: string;
  readonly json?: boolean;
}

const HELP: HelpText = {
  about: [
    'The content of a path decides what is compared:',
    {
      'training case': 'a folder with case.json: both stages, step by step',
      'preprocessing case': 'a folder with cases.json: image files, and what Pillow makes of them',
      'formats folder': 'tensors.safetensors next to checkpoints of one CLIP in several formats',
      'tokenizer list': 'a JSON array of {text, ids}; needs --tokenizer',
    },
    'With --precision f16 only the losses of training cases are compared, within 1 %. Tensor cores round activations to ' +
      'float16 and may miss that slightly.',
    'Exit code 1 if any item misses its tolerance. In --json, an error that is not a finite number is null.',
  ],
  examples: [
    'promptkd verify test/goldens/stages test/goldens/formats test/goldens/preprocess',
    'promptkd verify test/goldens/tokenizer.json --tokenizer emoji-clip/teacher/tokenizer.json',
  ],
};

/** Adds the command to the program. */
export function register(program: Command): void {
  const command = program
    .command('verify')
    .description('compare the results of this machine with reference numbers')
    .argument('<path...>', 'folders or files of reference numbers')
    .option('--tokenizer <file>', 'vocabulary for tokenizer lists')
    .option('--json', 'print the reports as JSON');
  addHelp(addPrecisionOption(addGpuOptions(command)), HELP).action(async (paths: string[], flags: Flags) => {
    const reports = await withJob(flags, async (job) => {
      const found: VerifyReport[] = [];
      for (const path of paths) found.push(await verify(job, path, flags));
      return found;
    });
    const items = reports.flatMap((report) => report.items);
    const count = (wanted: State) => items.filter((item) => state(item) === wanted).length;
    const [passed, missed, skipped] = [count('ok'), count('MISS'), count('skipped')];
    if (flags.json) await printJson({ ok: missed === 0, passed, missed, skipped, reports });
    else {
      await print(reports.map(format).join('\n'));
      await print(`\n${items.length} items: ${passed} ok, ${missed} missed, ${skipped} skipped\n`);
    }
    if (missed > 0) process.exitCode = 1;
  });
}

/** Texts of a tokenizer list may be long. */
const NAME_WIDTH = 60;

type State = 'ok' | 'MISS' | 'skipped';

const state = ({ ok, skipped }: VerifyItem): State =>
  skipped !== undefined ? 'skipped' : ok ? 'ok' : 'MISS';

function format({ path, kind, items }: VerifyReport): string {
  const rows = items.map((item) => {
    const found = state(item);
    const name = item.name.length > NAME_WIDTH ? `${item.name.slice(0, NAME_WIDTH - 1)}…` : item.name;
    if (found === 'skipped') return [name, '', '', pc.yellow(`skipped: ${item.skipped}`)];
    const miss = pc.red(item.problem === undefined ? 'MISS' : `MISS: ${item.problem}`);
    return [name, amount(item), number(item.tolerance), found === 'ok' ? pc.green('ok') : miss];
  });
  return `${pc.bold(path)}: ${kind}\n${formatTable(['item', 'error', 'tolerance', ''], rows)}`;
}

/** The error, with its unit unless it is relative. */
function amount({ error, measure }: VerifyItem): string {
  return measure === 'relative' || measure === '' ? number(error) : `${number(error)} ${measure}`;
}

const number = (value: number): string =>
  Number.isInteger(value) || !Number.isFinite(value) ? String(value) : value.toExponential(1);
