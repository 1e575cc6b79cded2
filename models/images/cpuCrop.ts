/** The image transform on the CPU for images that are too large to wait for the GPU whole: the same bytes, in bounded memory. */
import type { RgbImage } from '../platform.js';
import { type Crop, type ResampleTable, WEIGHT_BITS } from './preprocess.js';

/** The stretch of input that a table reads. */
export interface Span {
  readonly table: ResampleTable;
  readonly start: number;
  readonly length: number;
}

const HALF = 1 << (WEIGHT_BITS - 1);

/**
 * What `cropOnCpu` gives, from tables of the output pixels wanted alone: neither the whole resized image nor more rows of the
 * source than the crop reads are ever made.
 *
 * @returns `[size, size, 3]`
 */
export function resampleCrop(image: RgbImage, crop: Crop, across: Span, down: Span): Uint8Array {
  const { size, flip } = crop;
  const middle = new Uint8Array(down.length * size * 3);
  for (let y = 0; y < down.length; y++) {
    const row = ((crop.top + down.start + y) * image.width + crop.left) * 3;
    resample(across.table, image.data, row, 3, middle, y * size * 3, 3, 0);
  }
  const result = new Uint8Array(size * size * 3);
  for (let x = 0; x < size; x++)
    resample(
      down.table,
      middle,
      x * 3,
      size * 3,
      result,
      (flip ? size - 1 - x : x) * 3,
      size * 3,
      down.start,
    );
  return result;
}

/** One line of RGB pixels to another; `step` in bytes. The first pixel of `input` has the number `first` in the table. */
function resample(
  { taps, starts, counts, weights }: ResampleTable,
  input: Uint8Array,
  inStart: number,
  inStep: number,
  output: Uint8Array,
  outStart: number,
  outStep: number,
  first: number,
): void {
  for (let i = 0; i < starts.length; i++) {
    let [red, green, blue] = [HALF, HALF, HALF];
    let at = inStart + (starts[i] - first) * inStep;
    const end = i * taps + counts[i];
    for (let t = i * taps; t < end; t++, at += inStep) {
      const weight = weights[t];
      red += weight * input[at];
      green += weight * input[at + 1];
      blue += weight * input[at + 2];
    }
    const to = outStart + i * outStep;
    output[to] = toByte(red);
    output[to + 1] = toByte(green);
    output[to + 2] = toByte(blue);
  }
}

const toByte = (sum: number): number => Math.max(0, Math.min(255, sum >> WEIGHT_BITS));
