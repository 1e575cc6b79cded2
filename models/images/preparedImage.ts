/** What of an image is uploaded to the GPU: the pixels that a crop reads, and the resampling tables for them. */
import { boxCrop } from './preprocess.js';
import { cropOnCpu, cropSpans, type Span } from './resample.js';
import type { Crop, PreparedImage, RgbImage } from './types.js';

/** Identifies what is done to an image between decoder and model; changes when its numbers do. */
export const PREPROCESSING = 'Pillow bicubic, CLIP normalisation, 1';

/**
 * Prepares one crop of an image.
 *
 * @param sourceBytes the most that `source` may have; where the crop reads more, it is resized here and the result is uploaded,
 *   which the GPU's passes leave as it is
 * @throws RangeError when the crop leaves the image
 */
export function prepareImage(
  image: RgbImage,
  crop: Crop,
  sourceBytes = Number.POSITIVE_INFINITY,
): PreparedImage {
  const { left, top, width, height, size, flip } = crop;
  const inside = left >= 0 && top >= 0 && left + width <= image.width && top + height <= image.height;
  if (!inside || image.data.length !== image.width * image.height * 3)
    throw new RangeError(`crop ${JSON.stringify(crop)} does not fit ${image.width} x ${image.height}`);
  const spans = cropSpans(crop);
  const { across, down } = spans;
  // Resizing is not worth it where the result is hardly smaller.
  if (down.length * across.length * 3 > Math.max(sourceBytes, size * size * 3)) {
    const done = { width: size, height: size, data: cropOnCpu(image, crop, spans) };
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

/** Writes a table in the shader's form, mirrored if `flip`; returns where it ends. */
function writeTable({ table, start }: Span, flip: boolean, into: Int32Array, at: number): number {
  const { taps, starts, counts, weights } = table;
  const stride = taps + 2;
  const size = starts.length;
  for (let i = 0; i < size; i++) {
    const entry = at + (flip ? size - 1 - i : i) * stride;
    into[entry] = starts[i]! - start;
    into[entry + 1] = counts[i]!;
    into.set(weights.subarray(i * taps, (i + 1) * taps), entry + 2);
  }
  return at + size * stride;
}
