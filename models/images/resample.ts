/**
 * Pillow's bicubic resampling: its weight tables, for the GPU (`gpuPreprocess.ts`) and for the CPU, and the whole crop on the
 * CPU. Both give Pillow's bytes. Source: Pillow `Resample.c`.
 */
import type { Crop, RgbImage } from './types.js';

/** Fraction bits of a fixed-point weight: 32 less 8 for the pixel, less 2 because bicubic overshoots. */
const WEIGHT_BITS = 22;
const HALF = 1 << (WEIGHT_BITS - 1);

/** Output pixel `i` is the sum over `t < counts[i]` of `weights[i * taps + t] * input[starts[i] + t]`, in 2^-22. */
export interface ResampleTable {
  readonly taps: number;
  readonly starts: Int32Array;
  readonly counts: Int32Array;
  readonly weights: Int32Array;
}

/** A table, and the range of input pixels that it reads. */
export interface Span {
  readonly table: ResampleTable;
  readonly start: number;
  readonly length: number;
}

/**
 * Pillow's bicubic weights (a = -0.5, widened when shrinking, so antialiased) along one axis.
 *
 * @param inSize input pixels, resized to `outSize`
 * @param from first and `to` one past the last output pixel wanted
 */
export function resampleCoefficients(inSize: number, outSize: number, from = 0, to = outSize): ResampleTable {
  const scale = inSize / outSize;
  const filterScale = Math.max(scale, 1);
  const support = 2 * filterScale;
  const taps = Math.ceil(support) * 2 + 1;
  const starts = new Int32Array(to - from);
  const counts = new Int32Array(to - from);
  const weights = new Int32Array((to - from) * taps);
  const real = new Float64Array(taps);
  for (let i = 0; i < to - from; i++) {
    const centre = (from + i + 0.5) * scale;
    const start = Math.max(0, Math.trunc(centre - support + 0.5));
    const count = Math.min(inSize, Math.trunc(centre + support + 0.5)) - start;
    let sum = 0;
    for (let t = 0; t < count; t++) sum += real[t] = bicubic((t + start - centre + 0.5) * (1 / filterScale));
    for (let t = 0; t < count; t++) {
      const weight = (sum === 0 ? real[t]! : real[t]! / sum) * 2 ** WEIGHT_BITS;
      weights[i * taps + t] = Math.trunc(weight < 0 ? weight - 0.5 : weight + 0.5);
    }
    starts[i] = start;
    counts[i] = count;
  }
  return { taps, starts, counts, weights };
}

function bicubic(x: number): number {
  const a = -0.5;
  const d = Math.abs(x);
  if (d < 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
  if (d < 2) return (((d - 5) * d + 8) * d - 4) * a;
  return 0;
}

/** The horizontal and vertical tables of a crop: of the output pixels wanted alone, as a centre crop does not need the edges. */
export function cropSpans({ width, height, resizeTo, offset, size }: Crop): { across: Span; down: Span } {
  const span = (length: number, resized: number, from: number): Span => {
    const table = resampleCoefficients(length, resized, from, from + size);
    const start = table.starts[0]!;
    return { table, start, length: table.starts[size - 1]! + table.counts[size - 1]! - start };
  };
  return { across: span(width, resizeTo[0], offset[0]), down: span(height, resizeTo[1], offset[1]) };
}

/**
 * The image transform on the CPU, before normalisation: horizontally, rounded to bytes, then vertically, as Pillow does. Takes
 * no more memory than the crop needs, whatever the size of the image.
 *
 * @returns `[size, size, 3]`
 */
export function cropOnCpu(image: RgbImage, crop: Crop, { across, down } = cropSpans(crop)): Uint8Array {
  const { size, flip } = crop;
  const middle = new Uint8Array(down.length * size * 3);
  for (let y = 0; y < down.length; y++) {
    const row = ((crop.top + down.start + y) * image.width + crop.left) * 3;
    resampleLine(across.table, 0, { data: image.data, start: row, step: 3 }, middle, y * size * 3, 3);
  }
  const result = new Uint8Array(size * size * 3);
  for (let x = 0; x < size; x++) {
    const column = { data: middle, start: x * 3, step: size * 3 };
    resampleLine(down.table, down.start, column, result, (flip ? size - 1 - x : x) * 3, size * 3);
  }
  return result;
}

/** RGB pixels `step` bytes apart. */
interface Line {
  readonly data: Uint8Array;
  readonly start: number;
  readonly step: number;
}

/** Resamples one line of RGB pixels. The first pixel of `input` has the number `first` in the table. */
function resampleLine(
  { taps, starts, counts, weights }: ResampleTable,
  first: number,
  { data, start, step }: Line,
  output: Uint8Array,
  outStart: number,
  outStep: number,
): void {
  for (let i = 0; i < starts.length; i++) {
    let [red, green, blue] = [HALF, HALF, HALF];
    let at = start + (starts[i]! - first) * step;
    const end = i * taps + counts[i]!;
    for (let t = i * taps; t < end; t++, at += step) {
      const weight = weights[t]!;
      red += weight * data[at]!;
      green += weight * data[at + 1]!;
      blue += weight * data[at + 2]!;
    }
    const to = outStart + i * outStep;
    output[to] = toByte(red);
    output[to + 1] = toByte(green);
    output[to + 2] = toByte(blue);
  }
}

const toByte = (sum: number): number => Math.max(0, Math.min(255, sum >> WEIGHT_BITS));
