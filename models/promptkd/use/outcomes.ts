/** What a model answered for each test image. */
import { bestWithinHalf } from '../shared/evaluate.js';
import { bestLabels, type Guess } from './topK.js';

/** Classes that are kept for each image. */
const TOP = 3;

/** The answer for one image. */
export interface Outcome {
  /** Index into the test images. */
  readonly index: number;
  readonly label: number;
  /** The most likely of all classes. */
  readonly predicted: number;
  /** The most likely class of the image's half, base or novel: what their accuracies count. */
  readonly within: number;
  /** Up to three, most likely first. */
  readonly top: readonly Guess[];
}

/**
 * Answers from logits `[images, classes]`, row-major; images in `missing` are left out.
 *
 * @param labels one an image, in 0..classes-1
 */
export function outcomesOf(
  logits: Float32Array,
  labels: readonly number[],
  classes: number,
  missing: ReadonlySet<number> = new Set(),
): Outcome[] {
  return labels.flatMap((label, index): Outcome[] => {
    if (missing.has(index)) return [];
    const row = logits.subarray(index * classes, (index + 1) * classes);
    const top = bestLabels(row, TOP);
    return [{ index, label, predicted: top[0]!.label, within: bestWithinHalf(row, label), top }];
  });
}
