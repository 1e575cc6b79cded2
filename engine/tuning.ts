/** What an operation offers to a tuner: several launches that compute the same, and how to tell whether they do. */
import type { Gpu } from './gpu.js';
import type { Dispatch } from './op.js';

export interface Candidate {
  /** Says which kernel with which tile; the same name means the same kernel on every machine, in one version. */
  readonly name: string;
  /** Never chosen before it agreed with the reference on the adapter at hand. */
  readonly experimental?: boolean;
  readonly dispatch: () => Dispatch;
}

export interface Tunable {
  /** Sizes, layout, types and everything else that decides which candidate is fastest. */
  readonly key: string;
  /** The first is what is used without a tuner; none of the experimental ones is. All read and write the same tensors. */
  readonly candidates: readonly Candidate[];
  /** Float32 inputs that some candidates round to float16 and others do not: on values that float16 holds, all agree. */
  readonly roundedInputs?: readonly string[];
  /**
   * What element `at` of an output must be, in float64; undefined where the launch does not write it. `output` is the name of
   * its binding; `values` are those of the inputs, by the names of theirs.
   */
  expected(
    values: Readonly<Record<string, ArrayLike<number>>>,
    output: string,
    at: number,
  ): number | undefined;
}

/** The name of a candidate, or undefined for the first. Synchronous, so that schedules need no device. */
export type Choose = (tunable: Tunable) => string | undefined;

/** A tuner as a plan sees it: what it has not decided yet is prepared before the plan is scheduled. */
export interface Tuning {
  readonly choose: Choose;
  prepare(
    gpu: Gpu,
    tunables: readonly Tunable[],
    onProgress?: (done: number, total: number) => void,
  ): Promise<void>;
}

/** Where decisions outlive a process. The texts are opaque; a store that lost one only costs time. */
export interface TuningStore {
  get(key: string): string | undefined;
  set(key: string, name: string): void;
}

/** Tells kernels of one name apart: their entry point, constants and grid. Their texts are the store's concern. */
export function fingerprint({ reads, writes, ...kernel }: Dispatch): string {
  const text = JSON.stringify([kernel, Object.keys(reads), Object.keys(writes)]);
  // FNV-1a.
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return (hash >>> 0).toString(16).padStart(8, '0');
}

/** The launch of the chosen candidate. */
export function chosenDispatch(tunable: Tunable, choose?: Choose): Dispatch {
  const { candidates } = tunable;
  const name = choose?.(tunable);
  const found = name === undefined ? undefined : candidates.find((candidate) => candidate.name === name);
  return (found ?? candidates[0]!).dispatch();
}
