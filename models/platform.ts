/**
 * The interface between the models and the machine: files, hashes and image decoding.
 * `engine/`, `formats/` and `models/` import nothing from Node; `cli/platform/` fills this in.
 */
import type { Files } from '../formats/files.js';
import type { DecodedFile, PreparedFile, PrepareRequest, UseImage } from './images/types.js';

/** Files, hashes and image decoding of a machine. Optional methods are absent where it has no fast or safe way. */
export interface Platform extends Files {
  /**
   * Decodes an image file as Pillow's `Image.open(path).convert("RGB")` does: EXIF orientation ignored,
   * alpha dropped, palettes, grey and CMYK converted. Throws `BrokenImage` when it is no image, or larger than Pillow reads.
   *
   * @param hash whether to return the file's SHA-256 as well
   */
  decodeImage(path: string, hash?: boolean): Promise<DecodedFile>;
  /** The same for a short use; bounds the memory of all images in use at a time. */
  useImage?: UseImage;
  /** `prepareFile` (images/prepare.ts) in one of several workers; absent where there are none. Same results, same errors. */
  prepareImage?(request: PrepareRequest): Promise<PreparedFile>;
  /** A small JPEG of the square in the middle of an image, `edge` pixels wide, for people. Throws as `decodeImage` does. */
  thumbnail?(path: string, edge: number): Promise<Uint8Array>;
  /** The number of image workers. */
  readonly imageWorkers?: number;
  /** Name and version of the image decoder; another may decode slightly different pixels. */
  readonly imageDecoder?: string;
  /** A folder for caches. */
  readonly cacheFolder?: string;
}
