/** Choices between kernels that do the same work: the candidates, and how to check each of them. */
import type { Dispatch } from './dispatch.js';
import type { Tensor, Values } from './tensor.js';

/** The values that a tensor must have after the launches; NaN marks values that they must not write. */
export interface Expected {
  readonly values: Values;
  /** The largest absolute error allowed. */
  readonly tolerance: number;
}

/** A small run of a kernel with a known result. On a GPU every kernel must pass one before it is used (gpu/kernelChecks.ts). */
export interface Trial {
  /** Launches, run in this order. */
  readonly dispatches: readonly Dispatch[];
  /** Tensors to fill with random values before: those that are read but not written, and those changed in place. */
  readonly inputs: readonly Tensor[];
  /** Inputs that a kernel may round to float16: they get values that float16 represents exactly. */
  readonly rounded?: readonly Tensor[];
  /** The expected results, from the values of the inputs as they are stored. */
  expected(inputOf: (tensor: Tensor) => Values): ReadonlyMap<Tensor, Expected>;
}

/** One of several kernels that do the same work. */
export interface Candidate<Work = unknown> {
  /** Kernel and tile. In one version, the same name means the same kernel on every machine. */
  readonly name: string;
  /** The launch that does `work`. */
  dispatch(work: Work): Dispatch;
}

/** Work that several kernels can do, and how to check each of them. */
export interface Tunable<Work = unknown> {
  /** Identifies the choice: sizes, layout, types and everything else that affects speed. */
  readonly key: string;
  readonly work: Work;
  /** In order of preference. The first is used unless it fails its trial or another one was timed to be faster. */
  readonly candidates: readonly Candidate<Work>[];
  /** The same kind of work at small odd sizes, run by the candidate's kernel. */
  trial(candidate: Candidate<Work>): Trial;
}

/** Returns the name of a candidate, or undefined for the first. Synchronous, so that schedules need no device. */
export type Choose = (tunable: Tunable) => string | undefined;

/** The launch of the chosen candidate. */
export function chosenDispatch<Work>(tunable: Tunable<Work>, choose?: Choose): Dispatch {
  const { candidates, work } = tunable;
  const name = choose?.(tunable as Tunable);
  return (candidates.find((candidate) => candidate.name === name) ?? candidates[0]!).dispatch(work);
}
