/**
 * Timed choices between kernels that do the same work (`promptkd tune`), for adapters or shapes where the built-in rules are not
 * the best. Only kernels that pass their checks (kernelChecks.ts) are timed.
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

/** The result of one choice. */
export interface TunedChoice {
  readonly name: string;
  /** Milliseconds of a launch of each candidate that was timed, by name; the rule's own choice is the first. */
  readonly milliseconds: Readonly<Record<string, number>>;
}

/** Stored choices by their keys. Losing one only costs time. */
export interface TuningStore {
  get(key: string): TunedChoice | undefined;
  set(key: string, choice: TunedChoice): void;
}

/** Limits and callbacks of the tuner. */
export interface TunerOptions {
  /** Time limit in total. Choices still open then keep the rule's choice. Default: no limit. */
  readonly seconds?: number;
  /** Timed samples of each candidate. Default 5. */
  readonly repeats?: number;
  /** Milliseconds that a sample lasts at least. Default 5. */
  readonly leastMs?: number;
  /** Called as choices are made, the first time with `done` 0. */
  readonly onProgress?: (done: number, total: number) => void;
  /** Called once, when the time limit is reached. */
  readonly onLate?: () => void;
  /** Called for wrong kernels and for each choice. */
  readonly onNote?: (note: string) => void;
}

/** Another kernel must be faster by this share: smaller differences are noise, and every kernel is one more pipeline. */
const WORTH = 0.03;

/** Keyed by the object, as in kernelChecks.ts. */
const attached = new WeakMap<Gpu, Tuner>();

/** The tuner of a device, if one is attached. Without it, the operations' own rules choose. */
export const tunerOf = (gpu: Gpu): Tuner | undefined => attached.get(gpu);

/** Makes plans on a device choose kernels with `tuner`. */
export const attachTuner = (gpu: Gpu, tuner: Tuner): void => void attached.set(gpu, tuner);

/** Times candidates and remembers the fastest. */
export class Tuner {
  private readonly checks: KernelChecks;
  /** Milliseconds left, and since when they count: only the tuner's own work does. */
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

  /** The stored choice, if its kernel is still offered and right. */
  readonly choose: Choose = (tunable) => {
    const name = this.store.get(tunable.key)?.name;
    const found = tunable.candidates.find((candidate) => candidate.name === name);
    return found && !this.checks.faultOf(tunable, found) ? name : undefined;
  };

  /** Makes the choices that are not stored yet; false if the time was not enough for all. */
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

  /** False if the time is up. If memory does not suffice for timing, the rule's choice stays. */
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

  /** The fastest of the right candidates; undefined if the time is up before each has a sample. */
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
