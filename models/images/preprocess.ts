/** CLIP's image transforms as geometry, and its normalisation. Source: torchvision `transforms.py`. */

import type { Random } from '../random.js';
import type { Crop } from './types.js';

/** Mean of CLIP's training images for each channel, of values in 0..1; normalised is `(x / 255 - mean) / deviation`. */
export const IMAGE_MEAN = [0.48145466, 0.4578275, 0.40821073] as const;
/** Their standard deviation. */
export const IMAGE_DEVIATION = [0.26862954, 0.26130258, 0.27577711] as const;

/** The test transform: the shorter edge becomes `size`, the longer one `int(size * long / short)`; then the centre. */
export function testCrop(width: number, height: number, size: number): Crop {
  const long = Math.floor((size * Math.max(width, height)) / Math.min(width, height));
  const resizeTo = width <= height ? ([size, long] as const) : ([long, size] as const);
  const offset = [roundHalfEven((resizeTo[0] - size) / 2), roundHalfEven((resizeTo[1] - size) / 2)] as const;
  return { left: 0, top: 0, width, height, resizeTo, offset, size, flip: false };
}

/** A box that is stretched to `size` x `size`: what a training crop is once its box is known. */
export function boxCrop(
  box: { left: number; top: number; width: number; height: number; flip?: boolean },
  size: number,
): Crop {
  const { left, top, width, height, flip = false } = box;
  return { left, top, width, height, resizeTo: [size, size], offset: [0, 0], size, flip };
}

/** Smallest share of the image's area that a training crop covers, as in the paper (and torchvision's default). */
const DEFAULT_CROP_SCALE = 0.08;
const RATIO = [3 / 4, 4 / 3] as const;

/**
 * torchvision's `RandomResizedCrop(size, scale=(leastScale, 1))` and `RandomHorizontalFlip(0.5)`: draws area and aspect ratio
 * until the box fits, at most ten times; then takes the largest centred box of an allowed ratio.
 */
export function sampleTrainCrop(
  random: Random,
  width: number,
  height: number,
  size: number,
  leastScale = DEFAULT_CROP_SCALE,
): Crop {
  const box = sampleBox(random, width, height, leastScale);
  return boxCrop({ ...box, flip: random.random() < 0.5 }, size);
}

function sampleBox(random: Random, width: number, height: number, leastScale: number) {
  for (let attempt = 0; attempt < 10; attempt++) {
    const area = width * height * random.uniform(leastScale, 1);
    const ratio = Math.exp(random.uniform(Math.log(RATIO[0]), Math.log(RATIO[1])));
    const w = roundHalfEven(Math.sqrt(area * ratio));
    const h = roundHalfEven(Math.sqrt(area / ratio));
    if (w > 0 && w <= width && h > 0 && h <= height) {
      const top = random.below(height - h + 1);
      return { left: random.below(width - w + 1), top, width: w, height: h };
    }
  }
  const ratio = width / height;
  const w = ratio > RATIO[1] ? roundHalfEven(height * RATIO[1]) : width;
  const h = ratio < RATIO[0] ? roundHalfEven(width / RATIO[0]) : height;
  return { left: (width - w) >> 1, top: (height - h) >> 1, width: w, height: h };
}

/** Python's `round`: halves go to the even neighbour. */
export function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}

/** Undoes the normalisation exactly: float32 planes `[3, size, size]` to bytes `[size, size, 3]`. */
export function denormalise(planes: Float32Array): Uint8Array {
  const pixels = planes.length / 3;
  return Uint8Array.from(planes, (_, i) => {
    const channel = i % 3;
    const value = planes[channel * pixels + Math.floor(i / 3)]!;
    return Math.round((value * IMAGE_DEVIATION[channel]! + IMAGE_MEAN[channel]!) * 255);
  });
}
