/** What an operation offers where several kernels do the same work: candidates, and how each is checked at a small size. */
import type { Dispatch } from './dispatch.js';
import type { Tensor, Values } from './tensor.js';

/** What a tensor must hold after the launches; NaN marks values that they leave alone. */
export interface Expected {
  readonly values: Values;
  /** How far off a value may be. */
  readonly tolerance: number;
}

/** A small run of a kernel with a known result: no kernel is used on a GPU before it passed one (gpu/kernelChecks.ts). */
export interface Trial {
  /** Run one after another. */
  readonly dispatches: readonly Dispatch[];
  /** Tensors that hold values before: all that is read but not written, and what is changed in place. */
  readonly inputs: readonly Tensor[];
  /** Inputs that a kernel may round to float16 as it reads them: their values are float16 numbers, however they are stored. */
  readonly rounded?: readonly Tensor[];
  /** The results, given the values of the inputs as they are stored. */
  expected(inputOf: (tensor: Tensor) => Values): ReadonlyMap<Tensor, Expected>;
}

/** One of several kernels that do the same work. */
export interface Candidate<Work = unknown> {
  /** Says which kernel with which tile; the same name means the same kernel on every machine, in one version. */
  readonly name: string;
  /** The launch that does `work`. */
  dispatch(work: Work): Dispatch;
}

/** Work that several kernels can do, and how to check each of them. */
export interface Tunable<Work = unknown> {
  /** Sizes, layout, types and everything else that decides which candidate is fastest. */
  readonly key: string;
  readonly work: Work;
  /** In the order of preference: by rules that were measured, so the first is used unless it is wrong on an adapter. */
  readonly candidates: readonly Candidate<Work>[];
  /** The same work at small odd sizes, with the same kernels, and what it must give. */
  trial(candidate: Candidate<Work>): Trial;
}

/** The name of a candidate, or undefined for the first. Synchronous, so that schedules need no device. */
export type Choose = (tunable: Tunable) => string | undefined;

/** The candidate that is chosen, and its launch. */
export function chosenDispatch<Work>(tunable: Tunable<Work>, choose?: Choose): Dispatch {
  const { candidates, work } = tunable;
  const name = choose?.(tunable as Tunable);
  return (candidates.find((candidate) => candidate.name === name) ?? candidates[0]!).dispatch(work);
}
