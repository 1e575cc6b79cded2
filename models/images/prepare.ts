/** From an image file to crops that are ready to upload: what a worker does, or the main thread where there is none. */

import type { RgbImage } from '../platform.js';
import { Random } from '../random.js';
import { type PreparedImage, prepareImage } from './preparedImage.js';
import { boxCrop, type Crop, sampleTrainCrop, testCrop } from './preprocess.js';

/** The test transform, or one of a stream of random crops: only these numbers decide it, and the image's size. */
export type CropRule =
  | { readonly kind: 'test' }
  | {
      readonly kind: 'random';
      readonly seed: number;
      readonly view: number;
      readonly index: number;
      readonly scale?: number;
    };

/** A decoded image, and the SHA-256 of its file where that was asked for. */
export interface DecodedFile extends RgbImage {
  readonly hash?: string;
}

export interface PrepareRequest {
  readonly path: string;
  readonly rule: CropRule;
  /** Edges of the models' inputs; the same box is cut out for each. */
  readonly sizes: readonly number[];
  /** The decoded image, from an earlier request. */
  readonly decoded?: DecodedFile;
  /** The decoded image should come back, to be kept, if it has no more bytes than this (default 0: not at all). */
  readonly keep?: number;
  /** Most bytes of pixels that a crop may leave to the GPU (default: any number); of more, it is resized here. */
  readonly sourceBytes?: number;
  /** Whether the file's hash is wanted. */
  readonly hash?: boolean;
}

export interface PreparedFile {
  /** One for each size. */
  readonly images: readonly PreparedImage[];
  readonly hash?: string;
  readonly decoded?: DecodedFile;
}

/** Which part of an image of `width` x `height` a rule takes. */
export function cropOf(rule: CropRule, width: number, height: number, size: number): Crop {
  if (rule.kind === 'test') return testCrop(width, height, size);
  const { seed, view, index, scale } = rule;
  return sampleTrainCrop(Random.of(seed, 'crop', view, index), width, height, size, scale);
}

/** Decodes a file (and hashes it where asked to) and hands the image to `use`, behind which its memory may be taken back. */
export type UseImage = <T>(path: string, hash: boolean, use: (image: DecodedFile) => T) => Promise<T>;

/**
 * Decodes (unless that is done) and crops.
 *
 * @param kept makes of a decoded image what can come back
 * @throws BrokenImage when the file is no image
 */
export async function prepareFile(
  request: PrepareRequest,
  useImage: UseImage,
  kept: (image: DecodedFile) => DecodedFile = (image) => image,
): Promise<PreparedFile> {
  const { path, decoded, keep = 0, hash = false } = request;
  if (decoded) return { images: cropsOf(decoded, request), hash: decoded.hash };
  return useImage(path, hash, (image) => ({
    images: cropsOf(image, request),
    hash: image.hash,
    ...(image.data.length <= keep && { decoded: kept(image) }),
  }));
}

function cropsOf(decoded: DecodedFile, { rule, sizes, sourceBytes }: PrepareRequest): PreparedImage[] {
  const { width, height } = decoded;
  const first = cropOf(rule, width, height, sizes[0]);
  return sizes.map((size, i) => {
    const crop =
      i === 0 ? first : rule.kind === 'test' ? testCrop(width, height, size) : boxCrop(first, size);
    return prepareImage(decoded, crop, sourceBytes);
  });
}
