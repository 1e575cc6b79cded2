/** Pillow's resize and crop written the plain way, as the reference for the transform that reads no more than it needs. */
import { type ResampleTable, resampleCoefficients } from '../../models/images/resample.js';
import type { Crop, RgbImage } from '../../models/images/types.js';

/** Resizes the whole box, then cuts the crop out: `[size, size, 3]`. */
export function wholeResize(image: RgbImage, crop: Crop): Uint8Array {
  const [width, height] = crop.resizeTo;
  const across = resampleCoefficients(crop.width, width);
  const down = resampleCoefficients(crop.height, height);
  const source = (x: number, y: number, channel: number) =>
    image.data[((crop.top + y) * image.width + crop.left + x) * 3 + channel]!;
  const middle = new Uint8Array(crop.height * width * 3);
  for (let y = 0; y < crop.height; y++)
    for (let x = 0; x < width; x++)
      for (let c = 0; c < 3; c++)
        middle[(y * width + x) * 3 + c] = weighted(across, x, (from) => source(from, y, c));
  const result = new Uint8Array(crop.size * crop.size * 3);
  for (let y = 0; y < crop.size; y++)
    for (let x = 0; x < crop.size; x++)
      for (let c = 0; c < 3; c++) {
        const column = crop.offset[0] + (crop.flip ? crop.size - 1 - x : x);
        result[(y * crop.size + x) * 3 + c] = weighted(
          down,
          crop.offset[1] + y,
          (from) => middle[(from * width + column) * 3 + c]!,
        );
      }
  return result;
}

function weighted(
  { taps, starts, counts, weights }: ResampleTable,
  i: number,
  pixel: (index: number) => number,
) {
  let sum = 1 << 21;
  for (let t = 0; t < counts[i]!; t++) sum += weights[i * taps + t]! * pixel(starts[i]! + t);
  return Math.max(0, Math.min(255, sum >> 22));
}
