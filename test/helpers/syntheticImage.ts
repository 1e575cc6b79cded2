import type { RgbImage } from '../../models/images/types.js';

/** Hard edges, gradients and noise from integer arithmetic alone: the same bytes on every machine. */
export function syntheticImage(width: number, height: number, seed = 1): RgbImage {
  const data = new Uint8Array(width * height * 3);
  let state = seed;
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      const edge = (x >> 2) % 2 === (y >> 3) % 2 ? 255 : 0;
      data.set([edge, (x * 7 + y * 3) & 255, state >>> 24], (y * width + x) * 3);
    }
  return { width, height, data };
}
