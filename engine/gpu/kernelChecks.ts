/**
 * Kernels are checked before they run on a GPU: each kernel of a plan is tried once at a small odd size with random values and
 * compared with float64 (runTrials.ts). Verdicts are stored per adapter, driver and shader text. A wrong kernel is replaced by the
 * next candidate that does the same work; if there is none, that is an error.
 */
import { shaderSources } from '../../shaders/generated.js';
import { UserError } from '../errors.js';
import type { Dispatch } from '../graph/dispatch.js';
import type { Candidate, Choose, Trial, Tunable } from '../graph/tunable.js';
import { type KernelSource, kernelId, kernelKey, kernelSource } from '../kernels/kernelSource.js';
import type { Gpu } from './gpu.js';
import { pipelineCount } from './kernel.js';
import { operationTrials } from './operationTrials.js';
import { runTrials } from './runTrials.js';
import type { Schedule } from './schedule.js';

/** Stored verdicts by the hash of a kernel's text: '' if it is right, otherwise what is wrong with it. */
export interface VerdictStore {
  get(hash: string): string | undefined;
  /** Called once for all verdicts of a check. */
  set(verdicts: Readonly<Record<string, string>>): void;
}

/** Options of `KernelChecks`. */
export interface KernelChecksOptions {
  /** Called for each kernel that is refused. */
  readonly onNote?: (note: string) => void;
}

const RIGHT = '';

/** The trial of a candidate. */
interface PickTrial {
  /** Id of the kernel that the candidate runs, and of the one that its trial does. */
  readonly kernel: string;
  readonly id: string;
  readonly same: boolean;
  readonly trial: Trial;
}

/** Knows which kernels are right on a device: from this process, from the store, or by trying them. */
export class KernelChecks {
  /** By the id of a kernel. */
  private readonly verdicts = new Map<string, string>();
  /** Ids without a stored verdict. */
  private readonly unknown = new Set<string>();
  private readonly picks = new Map<string, PickTrial>();
  /** Kernels that ran without a trial because there is none. A test ensures that no training step has any. */
  readonly untried = new Set<string>();
  private operations: ReadonlyMap<string, Trial> | undefined;
  /** How many kernels were tried in this process, and how long that took, including compilation. */
  tried = 0;
  milliseconds = 0;

  constructor(
    private readonly gpu: Gpu,
    private readonly store: VerdictStore = { get: () => undefined, set: () => {} },
    private readonly options: KernelChecksOptions = {},
  ) {}

  /** The first candidate that is not known to be wrong. */
  readonly choose: Choose = (tunable) =>
    tunable.candidates.find((candidate) => !this.faultOf(tunable, candidate))?.name;

  /** What is known to be wrong with the kernel of a candidate. */
  faultOf(tunable: Tunable, candidate: Candidate): string | undefined {
    return this.verdictOf(this.trialOf(tunable, candidate)) || undefined;
  }

  /**
   * Tries the kernels of a schedule that have no verdict yet. False if a candidate is wrong, so that another must be chosen.
   *
   * @throws UserError when a kernel is wrong and nothing else does its work
   */
  async check(schedule: Schedule): Promise<boolean> {
    const { capabilities } = this.gpu;
    const picks = [...schedule.picks.values()].map((pick) => ({
      ...pick,
      known: this.trialOf(pick.tunable, pick.candidate),
    }));
    const trials = new Map<string, Trial>();
    for (const { known } of picks) {
      // On CPU adapters sizes are constants, so the small trial may be another kernel.
      if (known.same) trials.set(known.id, known.trial);
      else if (!capabilities.software) this.untried.add(known.id);
    }
    const picked = new Set(picks.map(({ known }) => known.kernel));
    const others = new Map<string, Dispatch>();
    for (const dispatch of capabilities.software ? [] : schedule.dispatches) {
      const id = kernelId(dispatch, capabilities);
      if (!picked.has(id)) others.set(id, dispatch);
    }
    for (const id of others.keys()) {
      if (this.verdicts.has(id)) continue;
      this.operations ??= operationTrials(capabilities);
      const trial = this.operations.get(id);
      if (trial) trials.set(id, trial);
      else this.untried.add(id);
    }
    await this.run(trials);
    for (const [id, { shader, entry = 'main' }] of others) {
      const fault = this.verdicts.get(id);
      if (fault) throw this.refusal(`${shader}.${entry}`, fault);
    }
    let right = true;
    for (const { tunable, candidate, known } of picks) {
      const fault = this.verdictOf(known);
      if (!fault) continue;
      right = false;
      this.options.onNote?.(`${tunable.key}: ${candidate.name} is not used: ${fault}`);
      if (tunable.candidates.every((each) => this.faultOf(tunable, each)))
        throw this.refusal(tunable.key, fault);
    }
    return right;
  }

  /** Whether the kernel of a candidate is right; tries it if that is not known. */
  async isRight(tunable: Tunable, candidate: Candidate): Promise<boolean> {
    const known = this.trialOf(tunable, candidate);
    if (this.verdictOf(known) === undefined) await this.run(new Map([[known.id, known.trial]]));
    return !this.verdictOf(known);
  }

  /** The trial of a candidate, made once for its kernel, and the ids of its kernel and of the candidate's own. */
  private trialOf(tunable: Tunable, candidate: Candidate): PickTrial {
    const { capabilities } = this.gpu;
    const kernel = kernelId(candidate.dispatch(tunable.work), capabilities);
    let known = this.picks.get(kernel);
    if (!known) {
      const trial = tunable.trial(candidate);
      const ids = trial.dispatches.map((dispatch) => kernelId(dispatch, capabilities));
      known = { kernel, id: ids.join(), same: ids.includes(kernel), trial };
      this.picks.set(kernel, known);
    }
    return known;
  }

  private verdictOf({ id, trial }: PickTrial): string | undefined {
    let verdict = this.verdicts.get(id);
    if (verdict === undefined && !this.unknown.has(id)) {
      verdict = this.store.get(this.hashOf(trial));
      if (verdict === undefined) this.unknown.add(id);
      else this.verdicts.set(id, verdict);
    }
    return verdict;
  }

  private hashOf({ dispatches }: Trial): string {
    const { capabilities } = this.gpu;
    return hashOf(dispatches.map((dispatch) => kernelKey(kernelSource(dispatch, capabilities))));
  }

  /**
   * Checks kernels that belong to no operation.
   *
   * @param fault runs them on the device and returns what is wrong, or undefined
   * @throws UserError when something is wrong
   */
  async tryOnce(
    what: string,
    sources: readonly KernelSource[],
    fault: () => Promise<string | undefined>,
  ): Promise<void> {
    const hash = hashOf(sources.map(kernelKey));
    let verdict = this.store.get(hash);
    if (verdict === undefined) {
      const started = performance.now();
      verdict = (await fault()) ?? RIGHT;
      this.store.set({ [hash]: verdict });
      this.tried++;
      this.milliseconds += performance.now() - started;
    }
    if (verdict) throw this.refusal(what, verdict);
  }

  private async run(trials: ReadonlyMap<string, Trial>): Promise<void> {
    const started = performance.now();
    // A trial of several launches checks each of their kernels.
    const wanted = [...trials].filter(([id]) => !this.verdicts.has(id));
    const hashes = new Map([...new Set(wanted.map(([, trial]) => trial))].map((t) => [t, this.hashOf(t)]));
    const found = new Map([...hashes].map(([trial, hash]) => [trial, this.store.get(hash)]));
    const open = [...found.keys()].filter((trial) => found.get(trial) === undefined);
    const faults = open.length > 0 ? await runTrials(this.gpu, open) : [];
    open.forEach((trial, i) => {
      found.set(trial, faults[i] ?? RIGHT);
    });
    for (const [id, trial] of wanted) this.verdicts.set(id, found.get(trial)!);
    if (open.length === 0) return;
    this.store.set(Object.fromEntries(open.map((trial) => [hashes.get(trial)!, found.get(trial)!])));
    this.tried += open.length;
    this.milliseconds += performance.now() - started;
  }

  private refusal(what: string, fault: string): UserError {
    return new UserError(
      `no kernel computes ${what} right on ${this.gpu.adapter.name}: ${fault}`,
      'install a newer driver, or choose another adapter with --adapter, or --level portable',
    );
  }
}

/**
 * The checks of a device. A GPU always has them. On CPU adapters most kernels have their sizes as constants, so another size is
 * another kernel; there only matmul and attention are tried, and only if checks are attached, as the tests run all kernels there.
 * Dawn's null backend computes nothing.
 */
export function checksOf(gpu: Gpu): KernelChecks | undefined {
  const { software, backend } = gpu.adapter;
  if (!attached.has(gpu) && !software && backend !== 'null') attached.set(gpu, new KernelChecks(gpu));
  return attached.get(gpu);
}

/** Makes plans on a device use `checks`, for example ones with a verdict store. */
export const attachChecks = (gpu: Gpu, checks: KernelChecks): void => void attached.set(gpu, checks);

/** Keyed by the object, not its device, as tests use one device with different capabilities. */
const attached = new WeakMap<Gpu, KernelChecks>();

/** Statistics of a device: pipelines requested, kernels tried, and the milliseconds of the trials, including compilation. */
export const kernelWork = (gpu: Gpu) => ({
  pipelines: pipelineCount(gpu),
  tried: attached.get(gpu)?.tried ?? 0,
  trialMilliseconds: Math.round(attached.get(gpu)?.milliseconds ?? 0),
});

/** A 53-bit hash (cyrb53), base 36. */
function hashOf(texts: readonly string[]): string {
  const text = texts.join('\n');
  let [a, b] = [0xdeadbeef, 0x41c6ce57];
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    a = Math.imul(a ^ code, 2654435761);
    b = Math.imul(b ^ code, 1597334677);
  }
  a = Math.imul(a ^ (a >>> 16), 2246822507) ^ Math.imul(b ^ (b >>> 13), 3266489909);
  b = Math.imul(b ^ (b >>> 16), 2246822507) ^ Math.imul(a ^ (a >>> 13), 3266489909);
  return (4294967296 * (2097151 & b) + (a >>> 0)).toString(36);
}

/** A hash of every shader's text (53 bits, base 36): what is remembered about kernels holds as long as this stays the same. */
export const shaderFingerprint = (): string => hashOf(Object.entries(shaderSources).flat());
