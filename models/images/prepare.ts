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

function cropsOf(image: DecodedFile, { rule, sizes, sourceBytes }: PrepareRequest): PreparedImage[] {
  const { width, height } = image;
  return cropsBy(rule, width, height, sizes).map((crop) => prepareImage(image, crop, sourceBytes));
}

/** The crop of each size. A random box is one for all: what one model is shown another must be shown too. */
function cropsBy(rule: CropRule, width: number, height: number, sizes: readonly number[]): Crop[] {
  if (rule.kind === 'test') return sizes.map((size) => testCrop(width, height, size));
  const { seed, view, index, scale } = rule;
  const first = sampleTrainCrop(Random.of(seed, 'crop', view, index), width, height, sizes[0]!, scale);
  return sizes.map((size) => boxCrop(first, size));
}
