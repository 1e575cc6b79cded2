/** What follows from the answers for test images: accuracy per class, confusions, two models compared. */
import { percentage } from '../models/numbers.js';
import type { Outcome } from '../models/promptkd/use/outcomes.js';

/** How a class fares. */
export interface ClassResult {
  readonly label: number;
  readonly images: number;
  /** Percent of its images that are right within its half; undefined without images. */
  readonly before?: number;
  readonly after?: number;
  /** In percentage points; undefined where one of them is. */
  readonly change?: number;
}

/** Accuracy per class, in label order, after and, where there is a model to compare with, before. */
export function classResults(
  classes: number,
  after: readonly Outcome[],
  before?: readonly Outcome[],
): ClassResult[] {
  const [now, then] = [share(classes, after), before && share(classes, before)];
  return now.map(({ images, percent }, label) => {
    const earlier = then?.[label]?.percent;
    const change = percent === undefined || earlier === undefined ? undefined : percent - earlier;
    return { label, images, before: earlier, after: percent, change };
  });
}

function share(classes: number, outcomes: readonly Outcome[]) {
  const found = Array.from({ length: classes }, () => ({ images: 0, right: 0 }));
  for (const { label, within } of outcomes) {
    found[label]!.images++;
    if (within === label) found[label]!.right++;
  }
  return found.map(({ images, right }) => ({ images, percent: percentage(right, images) }));
}

/** The classes that changed most, the largest change first; those that did not change are left out. */
export const changedMost = (results: readonly ClassResult[], count: number): ClassResult[] =>
  results
    .filter(({ change }) => change !== undefined && change !== 0)
    .sort((a, b) => Math.abs(b.change!) - Math.abs(a.change!) || a.label - b.label)
    .slice(0, count);

/** Images of class `label` that were taken for class `predicted`. */
export interface Confusion {
  readonly label: number;
  readonly predicted: number;
  readonly images: number;
  /** Of the images of the class, in 0..1. */
  readonly share: number;
}

/** The cells of the confusion matrix over all classes that are not empty, by label and prediction. */
export function confusions(outcomes: readonly Outcome[]): Confusion[] {
  const cells = new Map<number, Map<number, number>>();
  for (const { label, predicted } of outcomes) {
    const row = cells.get(label) ?? new Map<number, number>();
    cells.set(label, row.set(predicted, (row.get(predicted) ?? 0) + 1));
  }
  return [...cells]
    .sort(([a], [b]) => a - b)
    .flatMap(([label, row]) => {
      const total = [...row.values()].reduce((sum, images) => sum + images, 0);
      return [...row]
        .sort(([a], [b]) => a - b)
        .map(([predicted, images]) => ({ label, predicted, images, share: images / total }));
    });
}

/** McNemar's exact test of two models on the same images. */
export interface McNemar {
  /** Images that only the one, or only the other, classifies correctly. */
  readonly onlyFirst: number;
  readonly onlySecond: number;
  /** Two-sided probability of a difference at least this large if both were equally good. */
  readonly p: number;
}

/** Compares what two models answered for all classes, on the images that both have. */
export function compareOutcomes(first: readonly Outcome[], second: readonly Outcome[]): McNemar {
  const right = new Map(second.map(({ index, label, predicted }) => [index, label === predicted]));
  let [onlyFirst, onlySecond] = [0, 0];
  for (const { index, label, predicted } of first) {
    const other = right.get(index);
    if (other === undefined || other === (label === predicted)) continue;
    if (other) onlySecond++;
    else onlyFirst++;
  }
  return { onlyFirst, onlySecond, p: mcnemar(onlyFirst, onlySecond) };
}

/**
 * The exact binomial form of McNemar's test, two-sided: `min(1, 2 P(X <= min(b, c)))` for `X ~ Binomial(b + c, 1/2)`. With no
 * images on which the models differ it is 1.
 */
export function mcnemar(b: number, c: number): number {
  const [few, total] = [Math.min(b, c), b + c];
  // Terms relative to the largest, so that nothing underflows before the sum is complete.
  let [logTerm, largest] = [0, 0];
  const logs = [0];
  for (let k = 1; k <= few; k++) {
    logTerm += Math.log((total - k + 1) / k);
    logs.push(logTerm);
    largest = Math.max(largest, logTerm);
  }
  const sum = logs.reduce((total, log) => total + Math.exp(log - largest), 0);
  return Math.min(1, 2 * Math.exp(Math.log(sum) + largest - total * Math.LN2));
}

/** Holm's correction of several p-values, in their order: what each is worth when all were tested. */
export function holm(values: readonly number[]): number[] {
  const order = values.map((_, i) => i).sort((a, b) => values[a]! - values[b]!);
  const adjusted = new Array<number>(values.length);
  let least = 0;
  order.forEach((at, rank) => {
    least = Math.max(least, Math.min(1, (values.length - rank) * values[at]!));
    adjusted[at] = least;
  });
  return adjusted;
}
