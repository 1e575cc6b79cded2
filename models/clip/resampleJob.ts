/** What one image contributes to a batch on the GPU: which part of it is read, and its tables for that part. */
import type { RgbImage } from '../platform.js';
import { type Crop, type ResampleTable, resampleCoefficients } from './preprocess.js';

export interface CroppedImage {
  readonly image: RgbImage;
  readonly crop: Crop;
}

/** What an image needs: the part of it that is read, and its tables relative to that part. */
export interface ResampleJob extends CroppedImage {
  readonly slot: number;
  readonly columns: Span;
  readonly rows: Span;
  readonly sourceBytes: number;
  readonly tableWords: number;
}

export interface Span {
  readonly table: ResampleTable;
  readonly start: number;
  readonly length: number;
}

/** @throws RangeError when the crop leaves the image or is not made for `size` */
export function planJob(image: RgbImage, crop: Crop, slot: number, size: number): ResampleJob {
  const { left, top, width, height, resizeTo, offset } = crop;
  const inside = left >= 0 && top >= 0 && left + width <= image.width && top + height <= image.height;
  if (!inside || crop.size !== size || image.data.length !== image.width * image.height * 3)
    throw new RangeError(
      `crop ${JSON.stringify(crop)} does not fit ${image.width} x ${image.height} to ${size}`,
    );
  const columns = span(resampleCoefficients(width, 0, width, resizeTo[0], offset[0], offset[0] + size));
  const rows = span(resampleCoefficients(height, 0, height, resizeTo[1], offset[1], offset[1] + size));
  const tableWords = size * (columns.table.taps + rows.table.taps + 4);
  return { image, crop, slot, columns, rows, sourceBytes: columns.length * rows.length * 3, tableWords };
}

/** The stretch of input that a table reads: a centre crop does not need the edges. */
function span(table: ResampleTable): Span {
  const last = table.starts.length - 1;
  const start = table.starts[0];
  return { table, start, length: table.starts[last] + table.counts[last] - start };
}

/** Writes a table in the shader's form, mirrored if `flip`; returns the words written. */
export function writeTable({ table, start }: Span, flip: boolean, into: Int32Array, at: number): number {
  const { taps, starts, counts, weights } = table;
  const stride = taps + 2;
  const size = starts.length;
  for (let i = 0; i < size; i++) {
    const entry = at + (flip ? size - 1 - i : i) * stride;
    into[entry] = starts[i] - start;
    into[entry + 1] = counts[i];
    into.set(weights.subarray(i * taps, (i + 1) * taps), entry + 2);
  }
  return size * stride;
}
