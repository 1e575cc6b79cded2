/**
 * No kernel runs on a GPU before it gave right results there. Each kernel that a plan needs is tried once at a small odd size
 * (trial.ts), on random values and against float64; the verdict is remembered for the adapter, its driver and the kernel's text.
 * Where several kernels do the same work the next one takes the place of one that is wrong. What has no other is an error.
 */
import { UserError } from './errors.js';
import type { Gpu } from './gpu.js';
import { type KernelSource, kernelId, kernelKey, kernelSource } from './kernel.js';
import type { Dispatch } from './op.js';
import { operationTrials } from './ops/trials.js';
import type { Schedule } from './schedule.js';
import { judge, type Trial } from './trial.js';
import type { Candidate, Choose, Tunable } from './tuning.js';

/** Verdicts that outlive a process, by the hash of a kernel's text: '' for a right one, else what is wrong with it. */
export interface VerdictStore {
  get(hash: string): string | undefined;
  /** Called once for all verdicts of a check. */
  set(verdicts: Readonly<Record<string, string>>): void;
}

export interface KernelChecksOptions {
  /** Told about kernels that are refused. */
  readonly onNote?: (note: string) => void;
}

const RIGHT = '';

export class KernelChecks {
  /** By the id of a kernel. */
  private readonly verdicts = new Map<string, string>();
  /** Kernels that ran without a trial, as none is known for them; a test sees to it that no stage has any. */
  readonly untried = new Set<string>();
  private operations: ReadonlyMap<string, Trial> | undefined;
  /** Kernels that were tried in this process, and the milliseconds that this took, compilation included. */
  tried = 0;
  milliseconds = 0;

  constructor(
    private readonly gpu: Gpu,
    private readonly store: VerdictStore = { get: () => undefined, set: () => {} },
    private readonly options: KernelChecksOptions = {},
  ) {}

  /** The first candidate that is not known to be wrong. */
  readonly choose: Choose = ({ candidates, work }) =>
    candidates.find((candidate) => !this.faultOf(candidate.dispatch(work)))?.name;

  /** What is wrong with the kernel of a launch, as far as it is known. */
  faultOf(dispatch: Dispatch): string | undefined {
    return this.verdicts.get(kernelId(dispatch, this.gpu.capabilities)) || undefined;
  }

  /**
   * Tries what a schedule runs for the first time. False where a candidate turned out to be wrong, so that another has to be
   * chosen.
   *
   * @throws UserError when a kernel is wrong and nothing else does its work
   */
  async check(schedule: Schedule): Promise<boolean> {
    const { capabilities } = this.gpu;
    const trials = new Map<string, Trial>();
    const picked = new Map<string, { tunable: Tunable; candidate: Candidate }>();
    for (const pick of schedule.picks.values()) {
      const id = kernelId(pick.candidate.dispatch(pick.tunable.work), capabilities);
      picked.set(id, pick);
      if (!this.verdicts.has(id) && !trials.has(id)) trials.set(id, pick.tunable.trial(pick.candidate));
    }
    for (const dispatch of schedule.dispatches) {
      const id = kernelId(dispatch, capabilities);
      if (picked.has(id) || this.verdicts.has(id) || trials.has(id)) continue;
      this.operations ??= operationTrials(capabilities);
      const trial = this.operations.get(id);
      if (trial) trials.set(id, trial);
      else this.untried.add(`${dispatch.shader}.${dispatch.entry ?? 'main'}`);
    }
    await this.run(trials);
    let right = true;
    for (const [id, { tunable, candidate }] of picked) {
      const fault = this.verdicts.get(id);
      if (!fault) continue;
      right = false;
      this.options.onNote?.(`${tunable.key}: ${candidate.name} is not used: ${fault}`);
      if (tunable.candidates.every((each) => this.faultOf(each.dispatch(tunable.work))))
        throw this.refusal(tunable.key, fault);
    }
    for (const dispatch of schedule.dispatches) {
      const id = kernelId(dispatch, capabilities);
      if (!picked.has(id) && this.verdicts.get(id))
        throw this.refusal(`${dispatch.shader}.${dispatch.entry ?? 'main'}`, this.verdicts.get(id)!);
    }
    return right;
  }

  /** Whether the kernel of a candidate is right; tries it where that is not known. */
  async isRight(tunable: Tunable, candidate: Candidate): Promise<boolean> {
    const dispatch = candidate.dispatch(tunable.work);
    const id = kernelId(dispatch, this.gpu.capabilities);
    if (!this.verdicts.has(id)) await this.run(new Map([[id, tunable.trial(candidate)]]));
    return !this.faultOf(dispatch);
  }

  /**
   * The same for kernels that are no operation's.
   *
   * @param fault tries them on the device: what is wrong, or undefined
   * @throws UserError when something is
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
    // A trial of several launches stands for each of their kernels.
    const { capabilities } = this.gpu;
    const textsOf = ({ dispatches }: Trial) =>
      dispatches.map((dispatch) => kernelKey(kernelSource(dispatch, capabilities)));
    const hashes = new Map([...new Set(trials.values())].map((trial) => [trial, hashOf(textsOf(trial))]));
    const found = new Map([...hashes].map(([trial, hash]) => [trial, this.store.get(hash)]));
    const open = [...found.keys()].filter((trial) => found.get(trial) === undefined);
    const faults = open.length > 0 ? await judge(this.gpu, open) : [];
    open.forEach((trial, i) => {
      found.set(trial, faults[i] ?? RIGHT);
    });
    for (const [id, trial] of trials) this.verdicts.set(id, found.get(trial)!);
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
 * The checks of a device: on a GPU there always are some. A CPU adapter's kernels have their sizes in their texts, so another size
 * is another kernel; the tests run all of them there. Dawn's null backend computes nothing.
 */
export function checksOf(gpu: Gpu): KernelChecks | undefined {
  const { software, backend } = gpu.adapter;
  if (!gpu.checks && !software && backend !== 'null') gpu.checks = new KernelChecks(gpu);
  return gpu.checks;
}

/** Of the texts that a trial runs: 53 bits (cyrb53). */
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
