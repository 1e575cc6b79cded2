/** `bench ladder gemm`: every version on the same data, each checked before it is timed, the engine's own matmul at the end. */
import { counted, milliseconds, perSecond } from '../../cli/terminal/timings.js';
import { UserError } from '../../engine/errors.js';
import type { Gpu } from '../../engine/gpu/gpu.js';
import { alternate, kernelRunner, type Runner, type Timing } from '../../engine/gpu/measure.js';
import { createStorage, Reader, releaseAll } from '../../engine/gpu/memory.js';
import { Plan } from '../../engine/gpu/plan.js';
import { constant } from '../../engine/graph/tensor.js';
import { toHalf } from '../../engine/half.js';
import { matmul } from '../../engine/ops/matmul.js';
import { number } from '../../models/numbers.js';
import { type Flags, has, log, repetitionOf, withReport } from '../command.js';
import { inputsOf } from '../peers/cases.js';
import { expectedAt, placesOf, relativeError } from '../peers/oracle.js';
import { factor, markdownTable } from '../table.js';
import { RUNGS } from './gemm/rungs.js';
import { matricesOf, type Rung, rungCode, runsOn, type Sizes } from './ladder.js';

/** One version at one shape. */
export interface LadderRow {
  readonly sizes: Sizes;
  readonly file: string;
  readonly idea: string;
  readonly error: number;
  readonly timing: Timing;
}

const SHAPES: readonly Sizes[] = [
  { m: 1576, k: 768, n: 768 },
  { m: 1576, k: 768, n: 3072 },
];
const LARGE: Sizes = { m: 4096, k: 4096, n: 4096 };
const QUICK: Sizes = { m: 96, k: 64, n: 128 };
const nameOf = ({ m, k, n }: Sizes) => `${m} x ${k} x ${n}`;

/** How far a result may be off, relative: float32 sums in another order; float16 operands are rounded first. */
export const toleranceOf = ({ half = false }: Pick<Rung, 'half'>) => (half ? 2e-3 : 1e-5);

interface Version {
  readonly file: string;
  readonly idea: string;
  readonly runner: Runner;
  readonly read: () => Promise<Float32Array>;
  readonly tolerance: number;
  readonly destroy: () => void;
}

/**
 * The command: measures, and returns the report.
 *
 * @throws UserError when there is no ladder of `kernel`
 */
export const runLadder = (flags: Flags, kernel: string): Promise<string> => {
  if (kernel !== 'gemm') throw new UserError(`there is no ladder of ${kernel}`, 'choose gemm');
  return withReport(
    'ladder-gemm',
    flags,
    async (gpu) => {
      const all = flags.quick ? [QUICK] : gpu.capabilities.software ? SHAPES : [...SHAPES, LARGE];
      const rows: LadderRow[] = [];
      for (const sizes of all.filter((shape) => has(flags.shapes, nameOf(shape))))
        rows.push(...(await measure(gpu, sizes, flags)));
      return rows;
    },
    renderLadder,
  );
};

async function measure(gpu: Gpu, sizes: Sizes, { only, repeats, quick }: Flags): Promise<LadderRow[]> {
  const { m, n } = sizes;
  const values = inputsOf.gemm(sizes);
  const places = placesOf(m * n);
  const expected = expectedAt({ kind: 'gemm', ...sizes }, places)!;
  const makers = RUNGS.filter((rung) => runsOn(rung, gpu.capabilities) && (rung.takes?.(sizes) ?? true))
    .filter(({ file }) => has(only, file))
    .map((rung) => ({ file: rung.file, make: () => fromFile(gpu, rung, sizes, values) }));
  if (has(only, 'engine')) makers.push({ file: 'engine', make: () => fromEngine(gpu, sizes, values) });
  const versions: Version[] = [];
  const errors: number[] = [];
  const leaveOut = (file: string, why: string) => log(`${file} is not timed at ${nameOf(sizes)}: ${why}`);
  for (const { file, make } of makers) {
    let version: Version;
    try {
      version = await make();
    } catch (error) {
      // One that this driver does not compile must not cost the others their times.
      leaveOut(file, (error as Error).message);
      continue;
    }
    await version.runner.run(1);
    const result = await version.read();
    const error = relativeError(
      places.map((at) => result[at]!),
      expected,
    );
    if (error <= version.tolerance) {
      versions.push(version);
      errors.push(error);
    } else {
      leaveOut(file, `wrong results, relative error ${error.toExponential(1)}`);
      version.destroy();
    }
  }
  if (versions.length === 0) throw new Error(`no version of the matmul works at ${nameOf(sizes)}`);
  const timings = await alternate(
    versions.map(({ runner }) => runner),
    repetitionOf(gpu, { repeats, quick }),
  );
  for (const { destroy } of versions) destroy();
  releaseAll(gpu);
  return versions.map(({ file, idea }, i) => ({ sizes, file, idea, error: errors[i]!, timing: timings[i]! }));
}

type Values = ReturnType<typeof inputsOf.gemm>;

/** A version on the device with its operands. */
export async function fromFile(gpu: Gpu, rung: Rung, sizes: Sizes, { a, b }: Values): Promise<Version> {
  const { device } = gpu;
  const { m, n } = sizes;
  const stored = (data: Float32Array) => (rung.half ? toHalf(data) : data);
  const made = await gpu.scoped(`the ladder's ${rung.file}`, () => {
    const buffers = [a, b].map((data, i) => {
      const bytes = stored(data);
      const buffer = createStorage(gpu, bytes.byteLength, `operand ${i}`);
      device.queue.writeBuffer(buffer, 0, bytes as GPUAllowSharedBufferSource);
      return buffer;
    });
    const result = createStorage(gpu, m * n * 4, 'product');
    const layout = device.createBindGroupLayout({
      entries: (['read-only-storage', 'read-only-storage', 'storage'] as const).map((type, binding) => ({
        binding,
        visibility: 4 /* COMPUTE */,
        buffer: { type },
      })),
    });
    const pipeline = device.createComputePipeline({
      label: rung.file,
      layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
      compute: {
        module: device.createShaderModule({
          label: rung.file,
          code: rungCode(rung, sizes, matricesOf(gpu.capabilities)),
        }),
        entryPoint: 'main',
      },
    });
    const bindGroup = device.createBindGroup({
      layout,
      entries: [...buffers, result].map((buffer, binding) => ({ binding, resource: { buffer } })),
    });
    return {
      buffers,
      result,
      launch: { name: rung.file, pipeline, bindGroup, workgroups: rung.workgroups(sizes) },
    };
  });
  const reader = new Reader(gpu);
  return {
    file: rung.file,
    idea: rung.idea,
    runner: kernelRunner(gpu, { launches: [made.launch] }),
    read: async () => new Float32Array(await reader.read(made.result, m * n * 4)),
    tolerance: toleranceOf(rung),
    destroy: () => {
      for (const buffer of [...made.buffers, made.result]) buffer.destroy();
      reader.destroy();
    },
  };
}

async function fromEngine(gpu: Gpu, { m, k, n }: Sizes, { a, b }: Values): Promise<Version> {
  const c = matmul(constant(a, [m, k]), constant(b, [k, n]));
  const plan = await Plan.compile(gpu, { outputs: [c] });
  return {
    file: 'engine',
    idea: 'what the engine chooses for this adapter and shape',
    runner: kernelRunner(gpu, plan),
    read: () => plan.read(c),
    tolerance: toleranceOf({}),
    destroy: () => plan.destroy(),
  };
}

/** A table a shape; the last column says how much each version gains on the first. */
function renderLadder(rows: readonly LadderRow[]): string {
  const names = [...new Set(rows.map(({ sizes }) => nameOf(sizes)))];
  return names
    .map((name) => {
      const steps = rows.filter(({ sizes }) => nameOf(sizes) === name);
      const first = steps[0]!.timing.median;
      const { m, k, n } = steps[0]!.sizes;
      return `## ${name}\n\n${markdownTable({
        head: ['version', 'idea', 'ms', 'GFLOP/s', 'against the first', 'relative error', 'samples x runs'],
        text: 2,
        rows: steps.map(({ file, idea, timing, error }) => [
          file,
          idea,
          milliseconds(timing),
          number(perSecond(2 * m * k * n, timing)),
          factor(first / timing.median),
          error.toExponential(1),
          counted(timing),
        ]),
      })}`;
    })
    .join('\n');
}
