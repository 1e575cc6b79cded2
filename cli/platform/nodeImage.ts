import sharp, { type Metadata, type Sharp, type SharpOptions } from 'sharp';
import { UserError } from '../../engine/errors.js';
import { NO_IMAGE } from '../../models/datasets/checkImages.js';
import { BrokenImage } from '../../models/datasets/skipped.js';
import { type ImageFormat, imageFormat } from '../../models/images/imageFormat.js';
import type { RgbImage } from '../../models/images/types.js';
import { bmpSize, decodeBmp } from './bmp.js';
import { firstGifFrame } from './gifFrame.js';
import { ImageFault } from './imageFault.js';

/** Name and version of the decoder, on which pixels may depend. */
export const imageDecoder = `sharp ${sharp.versions.sharp}`;

/** Twice Pillow's `MAX_IMAGE_PIXELS`: Pillow raises `DecompressionBombError` for more. */
const MAX_PIXELS = 178_956_970;

/** `error` tolerates what Pillow tolerates (stray bytes in a JPEG), but not a truncated file. */
const OPTIONS = { failOn: 'error', ignoreIcc: true, limitInputPixels: MAX_PIXELS } as const;

/** The header of an image file. */
export interface ImageHeader {
  readonly format: ImageFormat;
  readonly width: number;
  readonly height: number;
  /** Memory that decoding takes at its height, in bytes, roughly. */
  readonly bytes: number;
  readonly metadata?: Metadata;
}

/**
 * Reads the header alone.
 *
 * @param path for messages only
 * @param bytes the file's content
 * @throws BrokenImage when the content is no image, or one that Pillow refuses for its size
 */
export async function readImageHeader(path: string, bytes: Uint8Array): Promise<ImageHeader> {
  if (bytes.length === 0) throw new BrokenImage(path, 'it is empty');
  // Before any decoder sees it: sharp would also draw SVG and PDF, which are no data set images.
  const format = imageFormat(bytes);
  if (!format) throw new BrokenImage(path, NO_IMAGE);
  return named(path, `${format} header is`, async () => {
    const metadata =
      format === 'bmp' ? undefined : await sharp(bytes, { ...OPTIONS, limitInputPixels: false }).metadata();
    const { width, height } = metadata ?? bmpSize(bytes);
    const pixels = width * height;
    if (pixels > MAX_PIXELS)
      throw new ImageFault(
        `it has ${width} x ${height} pixels, ${pixels} in all; Pillow refuses more than ${MAX_PIXELS}`,
      );
    return { format, width, height, bytes: pixels * bytesPerPixel(format, metadata), metadata };
  });
}

/** Three for the result, plus what the decoder holds: some rows, or for some formats the whole image. */
function bytesPerPixel(format: ImageFormat, metadata?: Metadata): number {
  const whole = !['jpeg', 'png', 'tiff', 'bmp'].includes(format) || metadata?.isProgressive;
  return 3 + (whole ? 7 : 0) + (metadata?.space === 'cmyk' || metadata?.depth === 'ushort' ? 4 : 0);
}

/**
 * Decodes an image file to 8-bit RGB like Pillow's `Image.open(path).convert("RGB")`: orientation (except of a TIFF) and
 * colour profiles are ignored, alpha is dropped without blending, and only the first frame is read.
 *
 * @param path for messages only
 * @param bytes the file's content
 * @throws BrokenImage if the content is not an image, truncated, or larger than Pillow accepts
 */
export async function decodeImage(path: string, bytes: Uint8Array, header?: ImageHeader): Promise<RgbImage> {
  const { format, metadata } = header ?? (await readImageHeader(path, bytes));
  return named(path, `${format} data are`, () => {
    if (!metadata) return decodeBmp(bytes);
    if (format === 'gif') return decodeGif(bytes, OPTIONS);
    const image = sharp(bytes, OPTIONS);
    const { space, channels, depth } = metadata;
    // Pillow applies the orientation of a TIFF, but of no other format.
    if (format === 'tiff') image.autoOrient();
    if (space === 'cmyk') return decodeCmyk(image);
    if (depth === 'ushort' && (channels === 1 || isGreyPng(bytes))) return decodeGrey16(image);
    return decodeColour(image);
  });
}

async function decodeColour(image: Sharp): Promise<RgbImage> {
  const { data, info } = await image
    .removeAlpha()
    .toColourspace('srgb')
    .raw()
    .toBuffer({ resolveWithObject: true });
  if (info.channels !== 3) throw new ImageFault(`it has ${info.channels} channels`);
  return { width: info.width, height: info.height, data };
}

/** Errors of the machine, not of the file. */
const OUT_OF_MEMORY = /out of memory|enough memory|cannot allocate|allocation failed/i;

/**
 * Turns errors into messages that name the file. libvips stores only its last error, perhaps of another thread, so its text only
 * decides whether memory was short; the reason for a given file is always the same.
 */
async function named<T>(path: string, what: string, work: () => Promise<T> | T): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof ImageFault) throw new BrokenImage(path, error.message);
    if (OUT_OF_MEMORY.test(String(error)))
      throw new UserError(
        `there is not enough memory to decode ${path}`,
        'close other programs, or give a smaller --workers N',
      );
    throw new BrokenImage(path, `its ${what} damaged or cut off`);
  }
}

/** Colour type 0. With a transparent shade sharp counts an alpha channel, but Pillow still opens it as grey. */
function isGreyPng(bytes: Uint8Array): boolean {
  return bytes[0] === 0x89 && bytes[25] === 0;
}

async function decodeGif(bytes: Uint8Array, options: SharpOptions): Promise<RgbImage> {
  const frame = firstGifFrame(bytes);
  if (!frame) throw new ImageFault('it ends before its first frame');
  const { data, info } = await sharp(frame.opaque, options)
    .removeAlpha()
    .toColourspace('srgb')
    .raw()
    .toBuffer({ resolveWithObject: true });
  const { width, height } = info;
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      if (x < frame.left || x >= frame.right || y < frame.top || y >= frame.bottom)
        data.set(frame.background, (y * width + x) * 3);
  return { width, height, data };
}

/** Pillow's `cmyk2rgb`: no ink profile; a channel is what its ink and black leave over. */
async function decodeCmyk(image: Sharp): Promise<RgbImage> {
  // CMYK as the working space keeps sharp from converting through an ICC profile.
  const { data, info } = await image
    .pipelineColourspace('cmyk')
    .toColourspace('cmyk')
    .raw()
    .toBuffer({ resolveWithObject: true });
  const pixels = info.width * info.height;
  const rgb = new Uint8Array(pixels * 3);
  for (let pixel = 0; pixel < pixels; pixel++) {
    const light = 255 - data[pixel * info.channels + 3]!;
    for (let channel = 0; channel < 3; channel++) {
      const product = data[pixel * info.channels + channel]! * light + 128;
      rgb[pixel * 3 + channel] = Math.max(0, light - (((product >> 8) + product) >> 8));
    }
  }
  return { width: info.width, height: info.height, data: rgb };
}

/** Pillow opens 16-bit grey as `I;16` and *clips* it to 8 bits (`I16_RGB`), but scales every other 16-bit format. */
async function decodeGrey16(image: Sharp): Promise<RgbImage> {
  const { data, info } = await image
    .removeAlpha()
    .toColourspace('grey16')
    .raw({ depth: 'ushort' })
    .toBuffer({ resolveWithObject: true });
  const values = new Uint16Array(data.buffer, data.byteOffset, data.byteLength / 2);
  const pixels = info.width * info.height;
  const rgb = new Uint8Array(pixels * 3);
  for (let pixel = 0; pixel < pixels; pixel++)
    rgb.fill(Math.min(255, values[pixel * info.channels]!), pixel * 3, pixel * 3 + 3);
  return { width: info.width, height: info.height, data: rgb };
}
