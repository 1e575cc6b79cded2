/** What an operation offers where several kernels do the same work: candidates, and how each is checked at a small size. */
import type { Dispatch } from '../graph/op.js';
import type { Trial } from './trial.js';

export interface Candidate<Work = unknown> {
  /** Says which kernel with which tile; the same name means the same kernel on every machine, in one version. */
  readonly name: string;
  /** The launch that does `work`. */
  dispatch(work: Work): Dispatch;
}

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
