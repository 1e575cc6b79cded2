/**
 * Chooses among the kernels that can do the same work on an adapter: every one of them is run on random values and compared
 * with float64 and with the plainest kernel; those that agree are timed, and the fastest is remembered.
 */
import { UserError } from './errors.js';
import type { Gpu } from './gpu.js';
import { fromHalf, toHalf } from './half.js';
import { bindBuffers, boundTensors, getKernel, kernelSource, tensorOf, workgroupsOf } from './kernel.js';
import { alternate, kernelRunner } from './measure.js';
import { createStorage, hostValues, Reader } from './memory.js';
import type { Dispatch } from './op.js';
import type { Tensor } from './tensor.js';
import {
  type Candidate,
  type Choose,
  fingerprint,
  type Tunable,
  type Tuning,
  type TuningStore,
} from './tuning.js';

export interface TunerOptions {
  /** Timed samples of each candidate. Default 5. */
  readonly repeats?: number;
  /** Milliseconds that a sample lasts at least. Default 5. */
  readonly leastMs?: number;
  /** Called as products are tuned, the first time with `done` 0. */
  readonly onProgress?: (done: number, total: number) => void;
  /** Told about candidates that disagreed or did not compile, and about each choice. */
  readonly onNote?: (note: string) => void;
}

/** Elements that are compared with float64. */
const PLACES = 64;
/** Of the largest value: sums of float32 in another order, and results or operands that were rounded to float16. */
const TOLERANCE = { f32: 1e-5, f16: 2e-3 };

export class Tuner implements Tuning {
  constructor(
    private readonly store: TuningStore,
    private readonly options: TunerOptions = {},
  ) {}

  /** What is stored counts only for the kernel that was judged: a later version of the same name is judged again. */
  readonly choose: Choose = ({ key, candidates }) => {
    const stored = this.store.get(key);
    const found = candidates.find(({ name }) => stored?.startsWith(name + MARK));
    return found && storedForm(found) === stored ? found.name : undefined;
  };

  /** @throws UserError when the adapter computes something wrong with every kernel */
  async prepare(
    gpu: Gpu,
    tunables: readonly Tunable[],
    onProgress?: (done: number, total: number) => void,
  ): Promise<void> {
    const open = tunables.filter((tunable) => tunable.candidates.length > 1 && !this.choose(tunable));
    const report = (done: number) => {
      this.options.onProgress?.(done, open.length);
      onProgress?.(done, open.length);
    };
    for (const [i, tunable] of open.entries()) {
      if (i === 0) report(0);
      const fastest = await this.fastest(gpu, tunable);
      if (fastest) this.store.set(tunable.key, storedForm(fastest));
      report(i + 1);
    }
  }

  /** Undefined where none could be tried, for want of memory for instance. */
  private async fastest(gpu: Gpu, tunable: Tunable): Promise<Candidate | undefined> {
    const { repeats = 5, leastMs = 5, onNote } = this.options;
    const trial = new Trial(gpu, tunable);
    try {
      const agreed: { candidate: Candidate; launch: Awaited<ReturnType<Trial['launch']>> }[] = [];
      let wrong: string | undefined;
      for (const candidate of tunable.candidates) {
        const { launch, fault, error } = await trial.judge(candidate);
        if (launch) agreed.push({ candidate, launch });
        else onNote?.(`${tunable.key}: ${candidate.name} is not used: ${fault}`);
        if (error !== undefined) wrong = `${candidate.name}: ${fault}`;
      }
      if (agreed.length === 0) {
        if (wrong === undefined) return undefined;
        throw new UserError(
          `no kernel computes ${tunable.key} right on ${gpu.adapter.name} (${wrong})`,
          'install a newer driver, or choose another adapter with --adapter',
        );
      }
      const timings = await alternate(
        agreed.map(({ launch }) => kernelRunner(gpu, { launches: [launch] })),
        { repeats, leastMs },
      );
      const best = timings.reduce((least, { median }, i) => (median < timings[least]!.median ? i : least), 0);
      const { candidate } = agreed[best]!;
      onNote?.(`${tunable.key}: ${candidate.name}, ${timings[best]!.median.toFixed(3)} ms`);
      return candidate;
    } finally {
      trial.destroy();
    }
  }
}

/** Between the name of a choice and the fingerprint of its kernel. */
const MARK = ' #';
const storedForm = (candidate: Candidate): string =>
  `${candidate.name}${MARK}${fingerprint(candidate.dispatch())}`;

/** The tensors of a tunable with random values on a device, and the results that the plainest candidate gave. */
class Trial {
  private readonly buffers = new Map<Tensor, GPUBuffer>();
  private readonly values: Record<string, Float32Array> = {};
  private readonly reader: Reader;
  private readonly outputs: [name: string, tensor: Tensor][];
  private readonly tolerance: number;
  private random = 1;
  private results: Float32Array[] | undefined;

  constructor(
    private readonly gpu: Gpu,
    private readonly tunable: Tunable,
  ) {
    this.reader = new Reader(gpu);
    const { reads, writes } = tunable.candidates[0]!.dispatch();
    this.outputs = Object.entries(writes).map(([name, operand]) => [name, tensorOf(operand)]);
    const inputs = Object.entries(reads).map(([name, operand]) => [name, tensorOf(operand)] as const);
    const half = [...inputs, ...this.outputs].some(([, { dtype }]) => dtype === 'f16');
    this.tolerance = half ? TOLERANCE.f16 : TOLERANCE.f32;
    const stored = new Map<Tensor, Float32Array>();
    for (const [name, tensor] of inputs) {
      // A tensor that is bound twice has one set of values.
      const values = stored.get(tensor) ?? this.fill(tensor, name);
      stored.set(tensor, values);
      this.values[name] = values;
    }
    for (const [name, tensor] of this.outputs)
      this.buffers.set(tensor, createStorage(gpu, tensor.bytes, name));
  }

  /** Makes a tensor's buffer with random values, and returns them as they are stored. */
  private fill(tensor: Tensor, name: string): Float32Array {
    let host: Float32Array = Float32Array.from({ length: tensor.size }, () => this.next());
    if (this.tunable.roundedInputs?.includes(name)) host = fromHalf(toHalf(host));
    const stored = tensor.dtype === 'f16' ? toHalf(host) : host;
    const buffer = createStorage(this.gpu, tensor.bytes, name);
    this.gpu.device.queue.writeBuffer(buffer, 0, stored as GPUAllowSharedBufferSource);
    this.buffers.set(tensor, buffer);
    return hostValues(tensor, stored.buffer as ArrayBuffer);
  }

  /** Uniform in [-1, 1), always the same sequence. */
  private next(): number {
    this.random = (Math.imul(this.random, 1664525) + 1013904223) | 0;
    return this.random / 2147483648;
  }

  /** A launch of a candidate whose results agree, or why there is none; `error` where it computed something else. */
  async judge(
    candidate: Candidate,
  ): Promise<{ launch?: Awaited<ReturnType<Trial['launch']>>; fault?: string; error?: number }> {
    try {
      const dispatch = candidate.dispatch();
      const launch = await this.gpu.wait(this.launch(dispatch));
      for (const [, tensor] of this.outputs) {
        const buffer = this.buffers.get(tensor)!;
        // What is not written stays NaN, in float32 and in float16.
        this.gpu.device.queue.writeBuffer(buffer, 0, new Uint32Array(buffer.size / 4).fill(0x7fff7fff));
      }
      await kernelRunner(this.gpu, { launches: [launch] }).run(1);
      const error = await this.error();
      if (error <= this.tolerance) return { launch };
      return { error, fault: `its results differ by ${error.toExponential(1)} of the largest` };
    } catch (error) {
      return { fault: error instanceof Error ? error.message.split('\n')[0] : String(error) };
    }
  }

  async launch(dispatch: Dispatch) {
    const { capabilities } = this.gpu;
    const source = kernelSource(dispatch, capabilities);
    const kernel = await getKernel(this.gpu, source);
    const bindGroup = bindBuffers(
      this.gpu,
      kernel,
      boundTensors(dispatch).map((tensor) => this.buffers.get(tensor)!),
    );
    const { pipeline } = kernel;
    return { name: source.name, pipeline, bindGroup, workgroups: workgroupsOf(dispatch, capabilities) };
  }

  /**
   * The largest difference, relative to the largest value of its output: from float64 at places spread over the results, and everywhere from
   * the first candidate that was right at those.
   */
  private async error(): Promise<number> {
    let error = 0;
    const results: Float32Array[] = [];
    for (const [name, tensor] of this.outputs) {
      const bytes = await this.reader.read(this.buffers.get(tensor)!, tensor.bytes);
      const found = hostValues(tensor, bytes);
      results.push(found);
      const expected = (at: number) => this.tunable.expected(this.values, name, at);
      if (found.some((value, at) => Number.isNaN(value) && expected(at) !== undefined))
        return Number.POSITIVE_INFINITY;
      let worst = 0;
      let largest = 1e-30;
      for (let place = 0; place < PLACES; place++) {
        const at = Math.round((place / (PLACES - 1)) * (tensor.size - 1));
        const right = expected(at);
        if (right === undefined) continue;
        worst = Math.max(worst, Math.abs(found[at]! - right));
        largest = Math.max(largest, Math.abs(right));
      }
      const before = this.results?.[results.length - 1];
      if (before)
        for (let i = 0; i < found.length; i++) {
          // Both NaN: neither writes it. One NaN: they do not do the same.
          if (Object.is(found[i], before[i])) continue;
          const difference = Math.abs(found[i]! - before[i]!);
          worst = Math.max(worst, Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference);
        }
      error = Math.max(error, worst / largest);
    }
    if (error <= this.tolerance) this.results ??= results;
    return error;
  }

  destroy(): void {
    for (const buffer of this.buffers.values()) buffer.destroy();
    this.reader.destroy();
  }
}
