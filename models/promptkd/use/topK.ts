/** The most likely classes of an image. */

import { argmax } from '../shared/evaluate.js';

/** A class that an image may be of, by its number. */
export interface Guess {
  readonly label: number;
  /** Softmax over all classes, in 0..1. */
  readonly probability: number;
}

/** A class that an image may be of, by its name. */
export interface Prediction {
  readonly className: string;
  /** Softmax of the logits, in 0..1. */
  readonly probability: number;
}

/**
 * The `k` classes of the largest logits, largest first; the lower label where several are equal.
 *
 * @param logits `[classes]`
 */
export function bestLabels(logits: ArrayLike<number>, k: number): Guess[] {
  const left = Float64Array.from(logits);
  const largest = left[argmax(left)]!;
  const total = left.reduce((sum, value) => sum + Math.exp(value - largest), 0);
  // A search for each, as there are few: sorting a thousand classes of every image takes longer.
  return Array.from({ length: Math.min(k, left.length) }, () => {
    const label = argmax(left);
    const probability = Math.exp(left[label]! - largest) / total;
    left[label] = Number.NEGATIVE_INFINITY;
    return { label, probability };
  });
}

/** The same by the names of the classes. */
export const topK = (logits: ArrayLike<number>, classNames: readonly string[], k: number): Prediction[] =>
  bestLabels(logits, k).map(({ label, probability }) => ({ className: classNames[label]!, probability }));
