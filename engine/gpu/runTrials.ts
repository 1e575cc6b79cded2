/** Runs trials of kernels: many at once, on random values, and says what is wrong with each. */
import type { Tensor, Values } from '../graph/tensor.js';
import type { Trial } from '../graph/tunable.js';
import { fromHalf, toHalf } from '../half.js';
import { kernelSource, tensorOf } from '../kernels/kernelSource.js';
import type { Gpu } from './gpu.js';
import { getKernel, KernelRefused } from './kernel.js';
import { encode, type Launch, makeLaunch } from './launch.js';
import { createStorage, freeStorage, hostValues, Reader } from './memory.js';

/** Bindings that must be positive: variances, scales and counts. */
const POSITIVE = /variance|rstd|second|corrections|scale|inverse|good|total/;

/** A trial on a device: its buffers and launches. */
interface Prepared {
  readonly trial: Trial;
  readonly buffers: ReadonlyMap<Tensor, GPUBuffer>;
  readonly values: ReadonlyMap<Tensor, Values>;
  readonly outputs: readonly Tensor[];
  readonly launches: readonly Launch[];
}

/**
 * Runs trials. Returns each trial's fault, or undefined if its results are right.
 *
 * @throws Error when the device fails or runs out of memory, which says nothing about a kernel
 */
export async function runTrials(gpu: Gpu, trials: readonly Trial[]): Promise<(string | undefined)[]> {
  const settled = await Promise.allSettled(trials.map((trial, i) => prepare(gpu, trial, i)));
  const ready = settled.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  const reader = new Reader(gpu);
  try {
    for (const one of settled)
      if (one.status === 'rejected' && !(one.reason instanceof KernelRefused)) throw one.reason;
    const found = new Map<Trial, string | undefined>();
    if (ready.length > 0) await compare(gpu, reader, ready, found);
    return settled.map((one, i) =>
      one.status === 'fulfilled' ? found.get(trials[i]!) : String(one.reason.message).split('\n')[0],
    );
  } finally {
    for (const { buffers } of ready) for (const buffer of buffers.values()) freeStorage(gpu, buffer);
    reader.destroy();
  }
}

/** Runs prepared trials with one wait for all of them, and finds what is wrong with each. */
async function compare(
  gpu: Gpu,
  reader: Reader,
  ready: readonly Prepared[],
  found: Map<Trial, string | undefined>,
): Promise<void> {
  const encoder = gpu.device.createCommandEncoder();
  for (const { launches } of ready) {
    const pass = encoder.beginComputePass();
    encode(pass, launches);
    pass.end();
  }
  gpu.device.queue.submit([encoder.finish()]);
  const wanted = ready.flatMap(({ buffers, outputs }) =>
    outputs.map((tensor) => ({ buffer: buffers.get(tensor)!, bytes: buffers.get(tensor)!.size })),
  );
  const bytes = await reader.readTogether(wanted);
  for (const one of ready) found.set(one.trial, faultOf(one, bytes.splice(0, one.outputs.length)));
}

async function prepare(gpu: Gpu, trial: Trial, seed: number): Promise<Prepared> {
  const { dispatches, inputs } = trial;
  const sources = dispatches.map((dispatch) => kernelSource(dispatch, gpu.capabilities));
  const kernels = await gpu.wait(Promise.all(sources.map((source) => getKernel(gpu, source))));
  const random = new Uniform(seed + 1);
  const names = new Map(
    dispatches.flatMap(({ reads, writes }) =>
      Object.entries({ ...reads, ...writes }).map(([name, operand]) => [tensorOf(operand), name] as const),
    ),
  );
  const buffers = new Map<Tensor, GPUBuffer>();
  const made = gpu.scoped('the trial of a kernel', () => {
    const values = new Map<Tensor, Values>();
    for (const tensor of new Set([...inputs, ...names.keys()])) {
      const buffer = createStorage(gpu, tensor.bytes, tensor.label);
      buffers.set(tensor, buffer);
      if (inputs.includes(tensor)) {
        const positive = POSITIVE.test(names.get(tensor) ?? tensor.label);
        const drawn = randomValues(tensor, random, positive);
        const host = trial.rounded?.includes(tensor) ? fromHalf(toHalf(drawn as Float32Array)) : drawn;
        gpu.device.queue.writeBuffer(buffer, 0, host as GPUAllowSharedBufferSource);
        values.set(tensor, Float64Array.from(hostValues(tensor, host.buffer as ArrayBuffer)));
      } else {
        // NaN in float32 and in float16: shows what a kernel does not write.
        gpu.device.queue.writeBuffer(buffer, 0, new Uint32Array(buffer.size / 4).fill(0x7fff7fff));
      }
    }
    const launches = dispatches.map((dispatch, i) =>
      makeLaunch(gpu, dispatch, { ...kernels[i]!, name: sources[i]!.name }, (tensor) => buffers.get(tensor)!),
    );
    const outputs = [...new Set(dispatches.flatMap(({ writes }) => Object.values(writes).map(tensorOf)))];
    return { trial, buffers, values, outputs, launches };
  });
  return made.catch((error) => {
    for (const buffer of buffers.values()) freeStorage(gpu, buffer);
    throw error;
  });
}

function randomValues(tensor: Tensor, random: Uniform, positive: boolean) {
  if (tensor.dtype === 'i32')
    return Int32Array.from({ length: tensor.size }, () => Math.floor(2 * random.next() + 2));
  const values = new Float32Array(tensor.size);
  for (let i = 0; i < values.length; i++) values[i] = positive ? 1.25 + random.next() : random.next();
  return tensor.dtype === 'f16' ? toHalf(values) : values;
}

/** Uniform in [-1, 1), always the same sequence for a seed. */
class Uniform {
  constructor(private state: number) {}
  next(): number {
    this.state = (Math.imul(this.state, 1664525) + 1013904223) | 0;
    return this.state / 2147483648;
  }
}

function faultOf({ trial, values, outputs }: Prepared, bytes: readonly ArrayBuffer[]): string | undefined {
  const expected = trial.expected((tensor) => values.get(tensor)!);
  for (const [i, tensor] of outputs.entries()) {
    const right = expected.get(tensor);
    if (!right) continue;
    const found = hostValues(tensor, bytes[i]!.slice(0, Math.ceil(tensor.bytes / 4) * 4)).subarray(
      0,
      tensor.size,
    );
    let worst = 0;
    for (const [at, value] of right.values.entries()) {
      const written = !Number.isNaN(found[at]!);
      if (Number.isNaN(value)) {
        if (written && tensor.dtype !== 'i32')
          return `it writes outside its own results (${tensor.label} at ${at})`;
      } else if (!written) return `a result is missing or NaN (${tensor.label} at ${at})`;
      else worst = Math.max(worst, Math.abs(found[at]! - value));
    }
    if (worst > right.tolerance)
      return `its results differ by ${worst.toExponential(1)}; rounding explains at most ${right.tolerance.toExponential(1)}`;
  }
  return undefined;
}
