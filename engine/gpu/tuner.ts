/**
 * Timed choices between kernels that do the same work, for who asks for them: where the rules that ship with the project are not
 * the best on an adapter, or at a shape that nobody measured. Only kernels that give right results (kernelChecks.ts) are timed.
 */
import { UserError } from '../errors.js';
import type { Tensor } from '../graph/tensor.js';
import type { Candidate, Choose, Tunable } from '../graph/tunable.js';
import { kernelSource, tensorOf } from '../kernels/kernelSource.js';
import { patternOf } from '../kernels/pattern.js';
import type { Gpu } from './gpu.js';
import { getKernel } from './kernel.js';
import { checksOf, KernelChecks } from './kernelChecks.js';
import { type Launch, makeLaunch } from './launch.js';
import { kernelRunner, median, type Runner, runsFor, warmUp, warmUpFor } from './measure.js';
import { createStorage, freeStorage } from './memory.js';

/** What was found for one choice. */
export interface TunedChoice {
  readonly name: string;
  /** Milliseconds of a launch of each candidate that was timed, by name; the rule's own choice is the first. */
  readonly milliseconds: Readonly<Record<string, number>>;
}

/** Where choices outlive a process, by their keys; a store that lost one only costs time. */
export interface TuningStore {
  get(key: string): TunedChoice | undefined;
  set(key: string, choice: TunedChoice): void;
}

/** What the tuner may take, and how it reports. */
export interface TunerOptions {
  /** What the tuner may take in all; what is still open then keeps the rule's choice. Default: no limit. */
  readonly seconds?: number;
  /** Timed samples of each candidate. Default 5. */
  readonly repeats?: number;
  /** Milliseconds that a sample lasts at least. Default 5. */
  readonly leastMs?: number;
  /** Called as choices are made, the first time with `done` 0. */
  readonly onProgress?: (done: number, total: number) => void;
  /** Told once, when the time does not suffice for a choice. */
  readonly onLate?: () => void;
  /** Told about kernels that are wrong, and about each choice. */
  readonly onNote?: (note: string) => void;
}

/** Another kernel has to be faster by this share: smaller differences are noise, and each kernel is a pipeline more. */
const WORTH = 0.03;

/** By the object, as `checksOf` (kernelChecks.ts). */
const attached = new WeakMap<Gpu, Tuner>();

/** What chooses between kernels on a device by their times; without it, each operation's own rule does. */
export const tunerOf = (gpu: Gpu): Tuner | undefined => attached.get(gpu);

/** Has plans choose their kernels with `tuner` from now on. */
export const attachTuner = (gpu: Gpu, tuner: Tuner): void => void attached.set(gpu, tuner);

/** Times candidates and remembers the fastest. */
export class Tuner {
  private readonly checks: KernelChecks;
  /** Milliseconds that are left, and since when they run: only the tuner's own work counts. */
  private left: number;
  private since = 0;
  private wasLate = false;

  constructor(
    private readonly gpu: Gpu,
    private readonly store: TuningStore,
    private readonly options: TunerOptions = {},
  ) {
    this.left = 1000 * (options.seconds ?? Number.POSITIVE_INFINITY);
    this.checks = checksOf(gpu) ?? new KernelChecks(gpu, undefined, options);
  }

  /** A choice counts as long as its kernel is offered and right. */
  readonly choose: Choose = (tunable) => {
    const name = this.store.get(tunable.key)?.name;
    const found = tunable.candidates.find((candidate) => candidate.name === name);
    return found && !this.checks.faultOf(tunable, found) ? name : undefined;
  };

  /** Makes the choices that the store does not know; false where the time did not suffice for all. */
  async prepare(tunables: readonly Tunable[]): Promise<boolean> {
    const { onProgress, onLate } = this.options;
    const open = tunables.filter((each) => each.candidates.length > 1 && this.choose(each) === undefined);
    this.since = performance.now();
    try {
      for (const [i, tunable] of open.entries()) {
        onProgress?.(i, open.length);
        if (this.late || !(await this.decide(tunable))) {
          if (!this.wasLate) onLate?.();
          this.wasLate = true;
          return false;
        }
      }
      if (open.length > 0) onProgress?.(open.length, open.length);
      return true;
    } finally {
      this.left -= performance.now() - this.since;
    }
  }

  /** False where the time is up. Where memory does not suffice to time it, the shipped choice holds. */
  private async decide(tunable: Tunable): Promise<boolean> {
    const { onNote } = this.options;
    try {
      const choice = await this.fastest(tunable);
      if (!choice) return !this.late;
      this.store.set(tunable.key, choice);
      onNote?.(`${tunable.key}: ${choice.name}, ${choice.milliseconds[choice.name]!.toFixed(3)} ms`);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      onNote?.(`${tunable.key}: ${error.message}`);
    }
    return true;
  }

  private get late(): boolean {
    return performance.now() - this.since >= this.left;
  }

  /** Of the candidates that are right; undefined where the time is up before each of them has a sample. */
  private async fastest(tunable: Tunable): Promise<TunedChoice | undefined> {
    const { gpu, options } = this;
    const { repeats = 5, leastMs = 5 } = options;
    const buffers = new Map<Tensor, GPUBuffer>();
    try {
      const timed: { candidate: Candidate; runner: Runner; samples: number[] }[] = [];
      for (const candidate of tunable.candidates) {
        if (this.late) return undefined;
        if (!(await this.checks.isRight(tunable, candidate))) continue;
        const launches = [await this.launch(tunable, candidate, buffers)];
        timed.push({ candidate, runner: kernelRunner(gpu, { launches }), samples: [] });
      }
      for (let round = 0; round < repeats && !(round > 0 && this.late); round++)
        for (const { runner, samples } of timed) {
          if (this.late && samples.length === 0) return undefined;
          const one = await warmUp(runner, warmUpFor(gpu));
          const runs = runsFor(one, { repeats, leastMs });
          samples.push((await runner.run(runs)) / runs);
        }
      const results = timed.map(({ candidate, samples }) => ({ name: candidate.name, ms: median(samples) }));
      const [shipped] = results;
      if (!shipped) return undefined;
      const gains = results.filter(({ ms }) => ms < shipped.ms * (1 - WORTH));
      const best = gains.reduce((least, each) => (each.ms < least.ms ? each : least), shipped);
      return { name: best.name, milliseconds: Object.fromEntries(results.map(({ name, ms }) => [name, ms])) };
    } finally {
      for (const buffer of buffers.values()) freeStorage(gpu, buffer);
    }
  }

  private async launch(
    { work }: Tunable,
    candidate: Candidate,
    buffers: Map<Tensor, GPUBuffer>,
  ): Promise<Launch> {
    const { gpu } = this;
    const dispatch = candidate.dispatch(work);
    const source = kernelSource(dispatch, gpu.capabilities);
    const kernel = await gpu.wait(getKernel(gpu, source));
    const reads = new Set(Object.values(dispatch.reads).map(tensorOf));
    const bufferOf = (tensor: Tensor) => {
      let buffer = buffers.get(tensor);
      if (!buffer) {
        buffer = createStorage(gpu, tensor.bytes, tensor.label);
        if (reads.has(tensor))
          gpu.device.queue.writeBuffer(buffer, 0, patternOf(tensor) as GPUAllowSharedBufferSource);
        buffers.set(tensor, buffer);
      }
      return buffer;
    };
    return gpu.scoped('the tensors of a timed kernel', () =>
      makeLaunch(gpu, dispatch, { ...kernel, name: source.name }, bufferOf),
    );
  }
}
