/** Accuracy on base, novel and all classes (docs/method.md 3.9). */
import { percentage } from '../../numbers.js';

/** Index of the largest of `row[from..to)`, relative to `from`; the lowest where several are equal. */
export function argmax(row: ArrayLike<number>, from = 0, to = row.length): number {
  let best = from;
  for (let i = from + 1; i < to; i++) if (row[i]! > row[best]!) best = i;
  return best - from;
}

/** Accuracies in percent; undefined where there is no such image. */
export interface Accuracy {
  /** Base-class images among base classes only. */
  readonly base?: number;
  /** Novel-class images among novel classes only. */
  readonly novel?: number;
  readonly harmonicMean?: number;
  /** All images among all classes. */
  readonly all: number;
  readonly images: { readonly base: number; readonly novel: number };
}

/** 2 b n / (b + n), 0 when both are. */
export const harmonicMean = (base: number, novel: number): number =>
  base + novel === 0 ? 0 : (2 * base * novel) / (base + novel);

/** The number of base classes: the first half in label order, rounded up. */
export const baseCount = (classes: number): number => Math.ceil(classes / 2);

/** The most likely class in the half of the classes, base or novel, that an image of class `label` is of. */
export function bestWithinHalf(logits: ArrayLike<number>, label: number): number {
  const base = baseCount(logits.length);
  return label < base ? argmax(logits, 0, base) : base + argmax(logits, base);
}

/**
 * @param logits `[images, classes]`, row-major
 * @param labels one a row, in 0..classes-1
 * @param missing rows that do not count, as their image cannot be read
 */
export function accuracy(
  logits: Float32Array,
  labels: ArrayLike<number>,
  classes: number,
  missing: ReadonlySet<number> = new Set(),
): Accuracy {
  const base = baseCount(classes);
  const correct = { base: 0, novel: 0, all: 0 };
  const images = { base: 0, novel: 0 };
  for (let i = 0; i < labels.length; i++) {
    if (missing.has(i)) continue;
    const row = logits.subarray(i * classes, (i + 1) * classes);
    const label = labels[i]!;
    const half = label < base ? 'base' : 'novel';
    images[half]++;
    if (bestWithinHalf(row, label) === label) correct[half]++;
    if (argmax(row) === label) correct.all++;
  }
  const b = percentage(correct.base, images.base);
  const n = percentage(correct.novel, images.novel);
  return {
    base: b,
    novel: n,
    harmonicMean: b === undefined || n === undefined ? undefined : harmonicMean(b, n),
    all: percentage(correct.all, images.base + images.novel) ?? 0,
    images,
  };
}
