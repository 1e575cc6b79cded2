/** `promptkd tune`: times the kernels of both stages at one's own shapes, and keeps what is faster than the shipped rules. */
import { writeFileSync } from 'node:fs';
import { type Command, Option } from 'commander';
import { MODEL_NAMES, modelNamed } from '../../bench/workloads/models.js';
import { stepRequests } from '../../bench/workloads/steps.js';
import { UserError } from '../../engine/errors.js';
import type { Gpu } from '../../engine/gpu/gpu.js';
import { choicesOf } from '../../engine/graph/schedule.js';
import { type TunedChoice, Tuner } from '../../engine/kernels/tuner.js';
import type { Tunable } from '../../engine/kernels/tuning.js';
import type { Precision } from '../../models/clip/precision.js';

import { addGpuOptions, addPrecisionOption, commandGpu, type GpuFlags, type PrecisionFlags } from '../gpu.js';
import { kernelStoreOf } from '../kernelStore.js';
import { number } from '../numbers.js';
import { print, say } from '../output.js';
import { createProgress } from '../progress.js';
import { parseCount } from '../settings.js';
import { formatTable } from '../table.js';

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

export function register(program: Command): void {
  const command = program
    .command('tune')
    .description('time the kernels of a training step at your own shapes and keep the fastest right ones')
    .addOption(new Option('--teacher <model>', 'the large CLIP').choices(MODEL_NAMES).default('ViT-L/14'))
    .addOption(new Option('--student <model>', 'the small CLIP').choices(MODEL_NAMES).default('ViT-B/16'))
    .option('--batch <n>', 'images a step', parseCount, 8)
    .option('--classes <n>', 'classes of the data set', parseCount, 100)
    .addOption(
      new Option('--stage <stage>', 'whose kernels')
        .choices(['teacher', 'distill', 'both'])
        .default('distill'),
    )
    .option(
      '--seconds <n>',
      'what it may take at the most; what is still open keeps the shipped choice',
      parseCount,
      60,
    )
    .option('--show', 'print what was found before, and time nothing')
    .option('--forget', 'drop what was found before, and time nothing: the shipped choices hold again')
    .option('--out <file>', 'write what was found as JSON, to keep it or to send it in with an issue');
  addPrecisionOption(addGpuOptions(command, { tune: false })).action(async (flags: Flags) => {
    if ([flags.forget, flags.show].filter(Boolean).length > 1)
      throw new UserError('--show and --forget contradict each other', 'give one of them');
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
    const bar = createProgress().begin('timing the kernels of products', tunables.length);
    const tuner = new Tuner(gpu, store.choices, {
      seconds: flags.seconds,
      onProgress: (done, total) => bar.update(tunables.length - total + done),
    });
    const done = await tuner.prepare(tunables);
    bar.end();
    if (!done)
      say(`${flags.seconds} s were not enough for all products; the same command goes on where it stopped\n`);
  }
  const { choices } = store.stored;
  await print(choicesTable(choices));
  await print(`kept in ${store.path}\n`);
  if (flags.out) keep(flags.out, `${JSON.stringify(store.stored, null, 1)}\n`);
}

function keep(path: string, text: string): void {
  try {
    writeFileSync(path, text);
  } catch (error) {
    throw new UserError(
      `${path} cannot be written: ${(error as Error).message}`,
      'give another file to --out',
    );
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

/** What was found, and what it gains over the shipped choice. */
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
  if (rows.length === 0) return 'nothing was timed on this adapter: the shipped choices hold\n';
  const head = ['work', 'fastest', 'ms', 'shipped choice', 'ms', 'gain'];
  return formatTable(head, rows);
}
