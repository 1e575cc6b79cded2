/** `promptkd tune`: times the kernels of training steps at the user's shapes, and keeps the fastest ones for later runs. */
import { writeFileSync } from 'node:fs';
import { type Command, Option } from 'commander';
import { MODEL_NAMES, modelNamed } from '../../bench/workloads/models.js';
import { stepRequests } from '../../bench/workloads/steps.js';
import { UserError } from '../../engine/errors.js';
import type { Gpu } from '../../engine/gpu/gpu.js';
import { choicesOf } from '../../engine/gpu/schedule.js';
import { type TunedChoice, Tuner } from '../../engine/gpu/tuner.js';
import type { Tunable } from '../../engine/graph/tunable.js';
import type { Precision } from '../../models/clip/precision.js';
import { number } from '../../models/numbers.js';
import {
  addGpuOptions,
  addPrecisionOption,
  commandGpu,
  type GpuFlags,
  type PrecisionFlags,
} from '../device/gpu.js';
import { kernelStoreOf } from '../device/kernelStore.js';
import { parseCount } from '../settings.js';
import { addHelp, type HelpText } from '../terminal/help.js';
import { print, say } from '../terminal/output.js';
import { createProgress } from '../terminal/progress.js';
import { formatTable } from '../terminal/table.js';

interface Flags extends GpuFlags, PrecisionFlags {
  readonly teacher: string;
  readonly student: string;
  readonly batch: number;
  readonly classes: number;
  readonly seconds: number;
  readonly stage: 'teacher' | 'distill' | 'both';
  readonly show?: boolean;
  readonly forget?: boolean;
  readonly out?: string;
}

const HELP: HelpText = {
  about: [
    'Later commands on the same adapter and driver use the stored choices. Every candidate is checked for correct results ' +
      'before it is timed.',
  ],
  examples: ['promptkd tune --batch 16 --classes 37 --stage both', 'promptkd tune --show'],
};

/** Adds the command to the program. */
export function register(program: Command): void {
  const command = program
    .command('tune')
    .description('time kernels at your own shapes and keep the fastest correct ones')
    .addOption(
      new Option('--teacher <model>', 'model of the teacher').choices(MODEL_NAMES).default('ViT-L/14'),
    )
    .addOption(
      new Option('--student <model>', 'model of the student').choices(MODEL_NAMES).default('ViT-B/16'),
    )
    .option('--batch <n>', 'images per step', parseCount, 8)
    .option('--classes <n>', 'classes of the data set', parseCount, 100)
    .addOption(
      new Option('--stage <stage>', 'stage whose kernels to time')
        .choices(['teacher', 'distill', 'both'])
        .default('distill'),
    )
    .option(
      '--seconds <n>',
      'time limit; kernels that are not timed by then keep the shipped choice',
      parseCount,
      60,
    )
    .option('--show', 'only print the stored choices')
    .option('--forget', 'only delete the stored choices, so that the shipped ones apply again')
    .option('--out <file>', 'also write the choices as JSON, for a hardware report');
  addHelp(addPrecisionOption(addGpuOptions(command, { tune: false })), HELP).action(async (flags: Flags) => {
    if ([flags.forget, flags.show].filter(Boolean).length > 1)
      throw new UserError('--show and --forget exclude each other', 'give only one of them');
    const gpu = await commandGpu(flags);
    try {
      await run(gpu, flags);
    } finally {
      gpu.destroy();
    }
  });
}

async function run(gpu: Gpu, flags: Flags): Promise<void> {
  const store = kernelStoreOf(gpu);
  if (flags.forget) store.forgetChoices();
  else if (!flags.show) {
    const tunables = tunablesOf(gpu, flags);
    const bar = createProgress().begin('timing kernels', tunables.length);
    const tuner = new Tuner(gpu, store.choices, {
      seconds: flags.seconds,
      onProgress: (done, total) => bar.update(tunables.length - total + done),
    });
    const done = await tuner.prepare(tunables);
    bar.end();
    if (!done)
      say(`${flags.seconds} s were not enough for all kernels: run the same command again to continue\n`);
  }
  const { choices } = store.stored;
  await print(choicesTable(choices));
  await print(`stored in ${store.path}\n`);
  if (flags.out) keep(flags.out, `${JSON.stringify(store.stored, null, 1)}\n`);
}

function keep(path: string, text: string): void {
  try {
    writeFileSync(path, text);
  } catch (error) {
    throw new UserError(`${path} cannot be written: ${(error as Error).message}`, 'give another --out FILE');
  }
}

function tunablesOf({ capabilities }: Gpu, flags: Flags): Tunable[] {
  const { teacher, student, batch, classes, precision = 'f32' as Precision, stage } = flags;
  const steps = stepRequests(
    modelNamed(teacher),
    modelNamed(student),
    { batch, classes, precision },
    capabilities,
  );
  const requests = [
    ...(stage === 'distill' ? [] : [steps.teacher]),
    ...(stage === 'teacher' ? [] : [steps.student.train]),
  ];
  const all = requests.flatMap((request) => choicesOf(request, capabilities));
  return [...new Map(all.map((tunable) => [tunable.key, tunable])).values()];
}

/** The stored choices, with their gain over the shipped ones. */
function choicesTable(choices: Readonly<Record<string, TunedChoice>>): string {
  const rows = Object.entries(choices).map(([key, { name, milliseconds }]) => {
    const [shipped] = Object.keys(milliseconds);
    const gain = milliseconds[shipped!]! / milliseconds[name]!;
    return [
      key,
      name,
      number(milliseconds[name]!),
      shipped!,
      number(milliseconds[shipped!]!),
      `${gain.toFixed(2)}x`,
    ];
  });
  if (rows.length === 0) return 'no kernels were timed on this adapter: the shipped choices apply\n';
  const head = ['work', 'fastest', 'ms', 'shipped choice', 'ms', 'gain'];
  return formatTable(head, rows);
}
