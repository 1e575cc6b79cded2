/** An image's pixels in a browser, as the file stores them: what `promptkd predict` sees too. */
import { UserError } from '../engine/errors.js';
import type { Gpu } from '../engine/gpu/gpu.js';
import type { RgbImage } from '../models/images/types.js';
import type { ImageSource } from './messages.js';

/** Rows of a texture in a buffer start at multiples of so many bytes. */
const ROW_ALIGNMENT = 256;
/** COPY_DST | RENDER_ATTACHMENT | COPY_SRC of textures; COPY_DST | MAP_READ of buffers; MAP_READ of `mapAsync`. */
const TEXTURE_USAGE = 0x2 | 0x10 | 0x1;
const BUFFER_USAGE = 0x8 | 0x1;
const READ = 0x1;

/** No conversion of colours, of alpha, or of the orientation that EXIF tells. */
const AS_STORED: ImageBitmapOptions = {
  colorSpaceConversion: 'none',
  premultiplyAlpha: 'none',
  imageOrientation: 'none' as ImageOrientation,
};

/**
 * Decodes an image file, or takes a frame: 8-bit RGB, alpha dropped.
 *
 * @throws UserError when the browser cannot read it
 */
export async function pixelsOf(gpu: Gpu, source: ImageSource): Promise<RgbImage> {
  const bitmap = source instanceof ImageBitmap ? source : await decode(source);
  try {
    const { width, height } = bitmap;
    const fits = Math.max(width, height) <= gpu.device.limits.maxTextureDimension2D;
    const { data, stride } = fits ? await throughTexture(gpu, bitmap) : throughCanvas(bitmap);
    return { width, height, data: dropAlpha(data, stride, width, height) };
  } finally {
    bitmap.close();
  }
}

async function decode(file: Blob): Promise<ImageBitmap> {
  try {
    return await createImageBitmap(file, AS_STORED).catch((error: unknown) => {
      // Browsers that do not know an option refuse the call.
      if (!(error instanceof TypeError)) throw error;
      return createImageBitmap(file, { colorSpaceConversion: 'none', premultiplyAlpha: 'none' });
    });
  } catch {
    throw new UserError('this browser cannot read it as an image', 'try a JPEG, PNG or WebP file');
  }
}

interface Rgba {
  readonly data: Uint8Array | Uint8ClampedArray;
  /** Bytes from row to row. */
  readonly stride: number;
}

/**
 * By way of the GPU. A canvas would lose the colours of transparent pixels, and browsers that guard against tracking falsify what
 * is read back from one.
 */
async function throughTexture({ device }: Gpu, bitmap: ImageBitmap): Promise<Rgba> {
  const { width, height } = bitmap;
  const stride = Math.ceil((width * 4) / ROW_ALIGNMENT) * ROW_ALIGNMENT;
  const texture = device.createTexture({ size: [width, height], format: 'rgba8unorm', usage: TEXTURE_USAGE });
  const buffer = device.createBuffer({ size: stride * height, usage: BUFFER_USAGE });
  try {
    device.queue.copyExternalImageToTexture(
      { source: bitmap },
      { texture, premultipliedAlpha: false, colorSpace: 'srgb' },
      [width, height],
    );
    const encoder = device.createCommandEncoder();
    encoder.copyTextureToBuffer({ texture }, { buffer, bytesPerRow: stride }, [width, height]);
    device.queue.submit([encoder.finish()]);
    await buffer.mapAsync(READ);
    return { data: new Uint8Array(buffer.getMappedRange()).slice(), stride };
  } finally {
    texture.destroy();
    buffer.destroy();
  }
}

/** For images with more pixels along an edge than a texture may have. */
function throughCanvas(bitmap: ImageBitmap): Rgba {
  const { width, height } = bitmap;
  const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
  if (!context)
    throw new UserError(`its ${width} x ${height} pixels are too many for this browser`, 'make it smaller');
  context.drawImage(bitmap, 0, 0);
  return { data: context.getImageData(0, 0, width, height).data, stride: width * 4 };
}

function dropAlpha(rgba: Rgba['data'], stride: number, width: number, height: number): Uint8Array {
  const rgb = new Uint8Array(width * height * 3);
  let to = 0;
  for (let y = 0; y < height; y++)
    for (let from = y * stride, end = from + width * 4; from < end; from += 4) {
      rgb[to++] = rgba[from]!;
      rgb[to++] = rgba[from + 1]!;
      rgb[to++] = rgba[from + 2]!;
    }
  return rgb;
}
