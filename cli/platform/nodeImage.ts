import sharp, { type Sharp, type SharpOptions } from 'sharp';
import { UserError } from '../../engine/errors.js';
import type { RgbImage } from '../../models/platform.js';
import { decodeBmp, isBmp } from './bmp.js';
import { firstGifFrame } from './gifFrame.js';

/** Whose pixels they are. */
export const imageDecoder = `sharp ${sharp.versions.sharp}`;

/** Formats that Pillow reads too. sharp would also draw SVG and PDF, which are no data set images. */
const FORMATS = new Set(['jpeg', 'png', 'webp', 'gif', 'tiff', 'heif', 'avif', 'jp2', 'jxl']);

/**
 * Decodes an image file to 8-bit RGB as Pillow's `Image.open(path).convert("RGB")` does: stored orientation (but that of
 * a TIFF) and colour profiles are ignored, alpha is dropped without blending, only the first frame is read.
 *
 * @param path only for messages
 * @param bytes the file's content
 * @throws UserError when the content is no image or is cut off
 */
export async function decodeImage(path: string, bytes: Uint8Array): Promise<RgbImage> {
  try {
    if (isBmp(bytes)) return decodeBmp(bytes);
    // `error` tolerates what Pillow tolerates (stray bytes in a JPEG) but not a file that ends early.
    const options = { failOn: 'error', ignoreIcc: true, limitInputPixels: 2 ** 28 } as const;
    const { format, space, channels, depth } = await sharp(bytes, options).metadata();
    if (!FORMATS.has(format)) throw new Error(`it is ${format}`);
    if (format === 'gif') return await decodeGif(bytes, options);
    const image = sharp(bytes, options);
    // Pillow turns a TIFF as its tag says and no other format.
    if (format === 'tiff') image.autoOrient();
    if (space === 'cmyk') return await decodeCmyk(image);
    if (depth === 'ushort' && (channels === 1 || isGreyPng(bytes))) return await decodeGrey16(image);
    const { data, info } = await image
      .removeAlpha()
      .toColourspace('srgb')
      .raw()
      .toBuffer({ resolveWithObject: true });
    if (info.channels !== 3) throw new Error(`it has ${info.channels} channels`);
    return { width: info.width, height: info.height, data };
  } catch (error) {
    const reason = error instanceof Error ? error.message.split('\n')[0] : String(error);
    throw new UserError(
      `${path} cannot be read as an image: ${reason}`,
      'Remove the file from the data set, or replace it with a complete PNG, JPEG or WebP.',
    );
  }
}

/** Colour type 0: a transparent shade makes sharp count an alpha channel, Pillow still opens it as grey. */
function isGreyPng(bytes: Uint8Array): boolean {
  return bytes[0] === 0x89 && bytes[25] === 0;
}

async function decodeGif(bytes: Uint8Array, options: SharpOptions): Promise<RgbImage> {
  const frame = firstGifFrame(bytes);
  if (!frame) throw new Error('it ends before its first frame');
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

/** Pillow's `cmyk2rgb`: no ink profile, each channel is what its ink and black leave over. */
async function decodeCmyk(image: Sharp): Promise<RgbImage> {
  // Naming CMYK as the working space is what keeps sharp from converting through an ICC profile.
  const { data, info } = await image
    .pipelineColourspace('cmyk')
    .toColourspace('cmyk')
    .raw()
    .toBuffer({ resolveWithObject: true });
  const pixels = info.width * info.height;
  const rgb = new Uint8Array(pixels * 3);
  for (let pixel = 0; pixel < pixels; pixel++) {
    const light = 255 - data[pixel * info.channels + 3];
    for (let channel = 0; channel < 3; channel++) {
      const product = data[pixel * info.channels + channel] * light + 128;
      rgb[pixel * 3 + channel] = Math.max(0, light - (((product >> 8) + product) >> 8));
    }
  }
  return { width: info.width, height: info.height, data: rgb };
}

/** Pillow opens 16-bit grey as `I;16` and *clips* it to 8 bits (`I16_RGB`) where it scales every other 16-bit kind. */
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
    rgb.fill(Math.min(255, values[pixel * info.channels]), pixel * 3, pixel * 3 + 3);
  return { width: info.width, height: info.height, data: rgb };
}
