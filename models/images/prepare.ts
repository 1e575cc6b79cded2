/** From an image file to crops ready to upload: in a worker, or on the main thread where there is none. */

import { Random } from '../random.js';
import { prepareImage } from './preparedImage.js';
import { boxCrop, sampleTrainCrop, testCrop } from './preprocess.js';
import type {
  Crop,
  CropRule,
  DecodedFile,
  PreparedFile,
  PreparedImage,
  PrepareRequest,
  UseImage,
} from './types.js';

/** The crop that a rule takes of an image of `width` x `height` pixels, for a model input of `size`. */
function cropOf(rule: CropRule, width: number, height: number, size: number): Crop {
  if (rule.kind === 'test') return testCrop(width, height, size);
  const { seed, view, index, scale } = rule;
  return sampleTrainCrop(Random.of(seed, 'crop', view, index), width, height, size, scale);
}

/**
 * Decodes (unless `request.decoded` is there) and crops.
 *
 * @param kept makes the form of a decoded image that can be returned
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

/** The crop of each size: one box, as what one model is shown another must be shown too. */
function cropsOf(decoded: DecodedFile, { rule, sizes, sourceBytes }: PrepareRequest): PreparedImage[] {
  const { width, height } = decoded;
  let first: Crop | undefined;
  return sizes.map((size) => {
    const crop = first && rule.kind !== 'test' ? boxCrop(first, size) : cropOf(rule, width, height, size);
    first ??= crop;
    return prepareImage(decoded, crop, sourceBytes);
  });
}
