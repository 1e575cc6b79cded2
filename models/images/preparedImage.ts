/** What of an image goes up to the GPU: the bytes that a crop reads, and the resampling tables for them. */
import type { RgbImage } from '../platform.js';
import { resampleCrop, type Span } from './cpuCrop.js';
import { boxCrop, type Crop, resampleCoefficients } from './preprocess.js';

/** Name of what is done to an image between its decoder and the model; another one when its numbers change. */
export const PREPROCESSING = 'Pillow bicubic, CLIP normalisation, 1';

/**
 * One crop of one image, ready to upload. Plain buffers of its own, so that a worker can make it and hand it over without
 * a copy (and so that none is a SharedArrayBuffer, from which Dawn's `writeBuffer` crashes).
 */
export interface PreparedImage {
  readonly crop: Crop;
  /** Of the whole image, in pixels. */
  readonly width: number;
  readonly height: number;
  /** The pixels that the crop reads: `[rows, columns, 3]`, padded to whole words. */
  readonly source: Uint8Array<ArrayBuffer>;
  readonly rows: number;
  readonly columns: number;
  /** Tables in the shader's form (shaders/resample.wgsl): across, then down. */
  readonly table: Int32Array<ArrayBuffer>;
  readonly taps: { readonly across: number; readonly down: number };
}

/**
 * @param sourceBytes the most that `source` may have; where the crop reads more, it is resized here, and what goes up is the
 *   result, which the GPU's passes leave as it is
 * @throws RangeError when the crop leaves the image
 */
export function prepareImage(
  image: RgbImage,
  crop: Crop,
  sourceBytes = Number.POSITIVE_INFINITY,
): PreparedImage {
  const { left, top, width, height, resizeTo, offset, size, flip } = crop;
  const inside = left >= 0 && top >= 0 && left + width <= image.width && top + height <= image.height;
  if (!inside || image.data.length !== image.width * image.height * 3)
    throw new RangeError(`crop ${JSON.stringify(crop)} does not fit ${image.width} x ${image.height}`);
  const across = span(resampleCoefficients(width, 0, width, resizeTo[0], offset[0], offset[0] + size));
  const down = span(resampleCoefficients(height, 0, height, resizeTo[1], offset[1], offset[1] + size));
  // A crop that is hardly smaller when it is done is as well left as it is.
  if (down.length * across.length * 3 > Math.max(sourceBytes, size * size * 3)) {
    const done = { width: size, height: size, data: resampleCrop(image, crop, across, down) };
    const whole = boxCrop({ left: 0, top: 0, width: size, height: size }, size);
    return { ...prepareImage(done, whole), crop, width: image.width, height: image.height };
  }
  const table = new Int32Array(size * (across.table.taps + down.table.taps + 4));
  writeTable(down, false, table, writeTable(across, flip, table, 0));
  const [rows, columns] = [down.length, across.length];
  const source = new Uint8Array(Math.ceil((rows * columns * 3) / 4) * 4);
  for (let y = 0; y < rows; y++) {
    const from = ((top + down.start + y) * image.width + left + across.start) * 3;
    source.set(image.data.subarray(from, from + columns * 3), y * columns * 3);
  }
  const taps = { across: across.table.taps, down: down.table.taps };
  return { crop, width: image.width, height: image.height, source, rows, columns, table, taps };
}

/** The stretch of input that a table reads: a centre crop does not need the edges. */
function span(table: Span['table']): Span {
  const last = table.starts.length - 1;
  const start = table.starts[0];
  return { table, start, length: table.starts[last] + table.counts[last] - start };
}

/** Writes a table in the shader's form, mirrored if `flip`; returns where it ends. */
function writeTable({ table, start }: Span, flip: boolean, into: Int32Array, at: number): number {
  const { taps, starts, counts, weights } = table;
  const stride = taps + 2;
  const size = starts.length;
  for (let i = 0; i < size; i++) {
    const entry = at + (flip ? size - 1 - i : i) * stride;
    into[entry] = starts[i] - start;
    into[entry + 1] = counts[i];
    into.set(weights.subarray(i * taps, (i + 1) * taps), entry + 2);
  }
  return at + size * stride;
}
