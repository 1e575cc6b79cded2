/** The most likely classes of an image. */

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
  const values = Array.from(logits);
  const largest = values.reduce((max, value) => Math.max(max, value), Number.NEGATIVE_INFINITY);
  const exponentials = values.map((value) => Math.exp(value - largest));
  const total = exponentials.reduce((sum, value) => sum + value, 0);
  return values
    .map((_, label) => label)
    .sort((a, b) => values[b]! - values[a]! || a - b)
    .slice(0, k)
    .map((label) => ({ label, probability: exponentials[label]! / total }));
}

/** The same by the names of the classes. */
export const topK = (logits: ArrayLike<number>, classNames: readonly string[], k: number): Prediction[] =>
  bestLabels(logits, k).map(({ label, probability }) => ({ className: classNames[label]!, probability }));
