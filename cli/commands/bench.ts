/** `promptkd bench`: the speed of kernels, the image encoder and training steps on this machine. */
import { type Command, Option } from 'commander';
import { measureEncoder } from '../../bench/workloads/encoder.js';
import { casesFor } from '../../bench/workloads/kernelCases.js';
import { measureKernels } from '../../bench/workloads/kernels.js';
import { MODEL_NAMES, modelNamed } from '../../bench/workloads/models.js';
import { measureSteps } from '../../bench/workloads/steps.js';
import { UserError } from '../../engine/errors.js';
import type { Gpu } from '../../engine/gpu/gpu.js';
import { type Repetition, warmUpFor } from '../../engine/gpu/measure.js';
import { addGpuOptions, commandGpu, type GpuFlags } from '../device/gpu.js';
import { type StepFlags, stepSizes } from '../options/benchSizes.js';
import { parseCount } from '../settings.js';
import { encoderTable, kernelTable, peakLine, stepTable, type TableText } from '../terminal/benchTables.js';
import { addHelp, type HelpText } from '../terminal/help.js';
import { print, printJson } from '../terminal/output.js';
import { formatTable } from '../terminal/table.js';

interface Flags extends GpuFlags, StepFlags {
  readonly repeats: number;
  readonly json?: boolean;
}

const KINDS = ['kernels', 'encoder', 'step'] as const;
type Kind = (typeof KINDS)[number];

const HELP: HelpText = {
  about: [
    'Weights and images are random: no checkpoint is needed, and nothing is written. Every figure is the median of --repeats ' +
      'samples, with minimum and maximum; samples alternate with those of neighbouring rows.',
    {
      kernels:
        'each kernel family at the shapes of ViT-B/16 and ViT-L/14, compared with the peak of this adapter',
      encoder: 'the image encoder of --model at batch 1 and --batch',
      step: 'a training step of both stages',
    },
    `Models: ${MODEL_NAMES.join(', ')}.`,
  ],
  examples: [
    'promptkd bench',
    'promptkd bench step --teacher ViT-L/14 --model ViT-B/16 --classes 100 --batch 8',
  ],
};

/** Adds the command to the program. */
export function register(program: Command): void {
  const command = program
    .command('bench')
    .description('measure the speed of kernels, the image encoder and training steps')
    .argument('[kind]', `${KINDS.join(', ')} (default: all)`)
    .option('--model <name>', 'student, and model of the encoder (default: depends on the adapter)')
    .option('--teacher <name>', 'teacher (default: depends on the adapter)')
    .option('--classes <n>', 'classes of a step (default: depends on the adapter)', parseCount)
    .option('--batch <n>', 'images per step', parseCount, 8)
    .addOption(
      new Option('--precision <f32|f16>', 'storage of frozen weights in the encoder and the step').choices([
        'f32',
        'f16',
      ]),
    )
    .option('--repeats <n>', 'samples per figure', parseCount, 5)
    .option('--quick', 'small sizes, for slow adapters (default on software adapters)')
    .option('--json', 'print every sample as JSON');
  addHelp(addGpuOptions(command), HELP).action(async (kind: string | undefined, flags: Flags) => {
    if (kind !== undefined && !KINDS.includes(kind as Kind))
      throw new UserError(`${kind} is not a benchmark`, `choose one of ${KINDS.join(', ')}`);
    for (const name of [flags.model, flags.teacher]) if (name !== undefined) modelNamed(name);
    const gpu = await commandGpu(flags);
    try {
      const wanted = KINDS.filter((one) => kind === undefined || one === kind);
      const results: Partial<Record<Kind, readonly unknown[]>> = {};
      for (const one of wanted) {
        const { rows, note = '', table } = await MEASURES[one](gpu, flags);
        results[one] = rows;
        if (!flags.json) await print(`${note}${formatTable(table.head, table.rows, table)}`);
      }
      const { name, driver, backend } = gpu.adapter;
      if (flags.json)
        await printJson({ adapter: { name, driver, backend, level: gpu.capabilities.level }, ...results });
    } finally {
      gpu.destroy();
    }
  });
}

interface Measured {
  readonly rows: readonly unknown[];
  readonly table: TableText;
  readonly note?: string;
}

const isSmall = (gpu: Gpu, { quick }: Flags) => quick ?? gpu.capabilities.software;
const repetition = (gpu: Gpu, small: boolean, { repeats }: Flags): Repetition => ({
  repeats,
  leastMs: small ? 5 : 50,
  warmMs: warmUpFor(gpu),
});

const MEASURES: Readonly<Record<Kind, (gpu: Gpu, flags: Flags) => Promise<Measured>>> = {
  async kernels(gpu, flags) {
    const small = isSmall(gpu, flags);
    const rows = await measureKernels(gpu, {
      cases: casesFor(gpu.capabilities, ['f32', 'f16'], small),
      repetition: repetition(gpu, small, flags),
    });
    return { rows, table: kernelTable(rows), note: peakLine(rows) };
  },
  async encoder(gpu, flags) {
    const name = stepSizes(gpu, flags).student;
    const { precision = 'f32' } = flags;
    const batches = [...new Set([1, flags.batch])];
    const rows = await measureEncoder(
      gpu,
      name,
      modelNamed(name),
      batches,
      [precision],
      repetition(gpu, isSmall(gpu, flags), flags),
    );
    return { rows, table: encoderTable(rows) };
  },
  async step(gpu, flags) {
    const rows = await measureSteps(gpu, stepSizes(gpu, flags), repetition(gpu, isSmall(gpu, flags), flags));
    return { rows, table: stepTable(rows) };
  },
};
