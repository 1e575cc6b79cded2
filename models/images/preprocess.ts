/**
 * CLIP's image transforms as pure geometry, and Pillow's bicubic resampling on the CPU: the reference that the GPU
 * version (`gpuPreprocess.ts`) must equal byte for byte. Source: torchvision `transforms.py`, Pillow `Resample.c`.
 */

import type { RgbImage } from '../platform.js';
import type { Random } from '../random.js';

/** Per-channel mean and deviation of CLIP's training images, for values in 0..1: `(x / 255 - mean) / deviation`. */
export const IMAGE_MEAN = [0.48145466, 0.4578275, 0.40821073] as const;
export const IMAGE_DEVIATION = [0.26862954, 0.26130258, 0.27577711] as const;

/**
 * What becomes of an image: the box `left, top, width, height` is cut out, resized to `resizeTo` (width, height), and of
 * that the square of `size` pixels at `offset` (x, y) is kept, mirrored left to right if `flip`.
 */
export interface Crop {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
  readonly resizeTo: readonly [width: number, height: number];
  readonly offset: readonly [x: number, y: number];
  readonly size: number;
  readonly flip: boolean;
}

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

/** Smallest share of the image that a training crop covers, as the paper (and torchvision's default) has it. */
export const DEFAULT_CROP_SCALE = 0.08;
const RATIO = [3 / 4, 4 / 3] as const;

/**
 * torchvision's `RandomResizedCrop(size, scale=(leastScale, 1))` and `RandomHorizontalFlip(0.5)`: an area and an aspect ratio
 * are drawn until they fit, at most ten times; then the largest centred box of an allowed ratio.
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

/** Fixed-point bits of a weight: 32 less 8 of the pixel, less 2 because bicubic overshoots. */
export const WEIGHT_BITS = 22;

/** Output pixel `i` is the sum over `t < counts[i]` of `weights[i * taps + t] * input[starts[i] + t]`. */
export interface ResampleTable {
  readonly taps: number;
  readonly starts: Int32Array;
  readonly counts: Int32Array;
  readonly weights: Int32Array;
}

/**
 * Pillow's bicubic weights (a = -0.5, widened when shrinking, so antialiased) along one axis, as integers of
 * `WEIGHT_BITS` fractional bits.
 *
 * @param inSize pixels of the input; `box0`..`box1` is the part of it that is spread over `outSize` pixels
 * @param from first and `to` one past the last output pixel wanted
 */
export function resampleCoefficients(
  inSize: number,
  box0: number,
  box1: number,
  outSize: number,
  from = 0,
  to = outSize,
): ResampleTable {
  const scale = (box1 - box0) / outSize;
  const filterScale = Math.max(scale, 1);
  const support = 2 * filterScale;
  const taps = Math.ceil(support) * 2 + 1;
  const starts = new Int32Array(to - from);
  const counts = new Int32Array(to - from);
  const weights = new Int32Array((to - from) * taps);
  const real = new Float64Array(taps);
  for (let i = 0; i < to - from; i++) {
    const centre = box0 + (from + i + 0.5) * scale;
    const start = Math.max(0, Math.trunc(centre - support + 0.5));
    const count = Math.min(inSize, Math.trunc(centre + support + 0.5)) - start;
    let sum = 0;
    for (let t = 0; t < count; t++) sum += real[t] = bicubic((t + start - centre + 0.5) * (1 / filterScale));
    for (let t = 0; t < count; t++) {
      const weight = (sum === 0 ? real[t] : real[t] / sum) * 2 ** WEIGHT_BITS;
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

/**
 * Cuts `box` out of the image and resizes it as Pillow does: across, rounded to bytes, then down.
 * @returns `[outHeight, outWidth, 3]`
 */
export function resizeBicubic(
  image: RgbImage,
  box: { left: number; top: number; width: number; height: number },
  outWidth: number,
  outHeight: number,
): Uint8Array {
  const across = resampleCoefficients(box.width, 0, box.width, outWidth);
  const down = resampleCoefficients(box.height, 0, box.height, outHeight);
  const middle = new Uint8Array(box.height * outWidth * 3);
  for (let y = 0; y < box.height; y++) {
    const row = ((box.top + y) * image.width + box.left) * 3;
    resampleLine(across, image.data, row, 3, middle, y * outWidth * 3, 3);
  }
  const result = new Uint8Array(outHeight * outWidth * 3);
  for (let x = 0; x < outWidth; x++)
    resampleLine(down, middle, x * 3, outWidth * 3, result, x * 3, outWidth * 3);
  return result;
}

/** One line of RGB pixels, `inStep` bytes apart, to one line of pixels `outStep` bytes apart. */
function resampleLine(
  table: ResampleTable,
  input: Uint8Array,
  inStart: number,
  inStep: number,
  output: Uint8Array,
  outStart: number,
  outStep: number,
): void {
  for (let i = 0; i < table.starts.length; i++)
    for (let channel = 0; channel < 3; channel++) {
      let sum = 1 << (WEIGHT_BITS - 1);
      let at = inStart + table.starts[i] * inStep + channel;
      for (let t = 0; t < table.counts[i]; t++, at += inStep)
        sum += table.weights[i * table.taps + t] * input[at];
      output[outStart + i * outStep + channel] = Math.max(0, Math.min(255, sum >> WEIGHT_BITS));
    }
}

/** The whole transform before normalisation, on the CPU: `[size, size, 3]`. */
export function cropOnCpu(image: RgbImage, crop: Crop): Uint8Array {
  const [width, height] = crop.resizeTo;
  const resized = resizeBicubic(image, crop, width, height);
  const result = new Uint8Array(crop.size * crop.size * 3);
  for (let y = 0; y < crop.size; y++)
    for (let x = 0; x < crop.size; x++) {
      const column = crop.offset[0] + (crop.flip ? crop.size - 1 - x : x);
      const from = ((crop.offset[1] + y) * width + column) * 3;
      result.set(resized.subarray(from, from + 3), (y * crop.size + x) * 3);
    }
  return result;
}

/** Undoes the normalisation exactly: f32 planes `[3, size, size]` to bytes `[size, size, 3]`. */
export function denormalise(planes: Float32Array): Uint8Array {
  const pixels = planes.length / 3;
  const bytes = new Uint8Array(planes.length);
  for (let channel = 0; channel < 3; channel++)
    for (let pixel = 0; pixel < pixels; pixel++) {
      const value = planes[channel * pixels + pixel] * IMAGE_DEVIATION[channel] + IMAGE_MEAN[channel];
      bytes[pixel * 3 + channel] = Math.round(value * 255);
    }
  return bytes;
}
