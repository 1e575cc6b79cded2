/**
 * Windows bitmaps, which sharp does not read: uncompressed, 1, 4, 8, 24 or 32 bits per pixel. Source: Microsoft,
 * "Bitmap Header Types" (BITMAPCOREHEADER to BITMAPV5HEADER).
 */

import type { RgbImage } from '../../models/images/types.js';
import { ImageFault } from './imageFault.js';

const UNCOMPRESSED = 0;
const BIT_FIELDS = 3;
const ALPHA_BIT_FIELDS = 6;
/** Bytes in the order blue, green, red, unused: the only masks in common use. */
const USUAL_MASKS = [0xff0000, 0xff00, 0xff];

/**
 * Width and height in pixels, from the header.
 *
 * @throws ImageFault for a damaged header
 */
export function bmpSize(bytes: Uint8Array): { width: number; height: number } {
  const { width, signedHeight } = readHeader(bytes);
  return { width, height: Math.abs(signedHeight) };
}

function readHeader(bytes: Uint8Array) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 30) throw new ImageFault('it ends too early');
  const headerSize = view.getUint32(14, true);
  const isCore = headerSize === 12;
  if (!isCore && (headerSize < 40 || 14 + headerSize > bytes.length))
    throw new ImageFault('its header is damaged');
  const width = isCore ? view.getUint16(18, true) : view.getInt32(18, true);
  const signedHeight = isCore ? view.getUint16(20, true) : view.getInt32(22, true);
  if (width < 1 || signedHeight === 0)
    throw new ImageFault(`it claims to have ${width} x ${signedHeight} pixels`);
  return { view, headerSize, isCore, width, signedHeight };
}

/**
 * Decodes a bitmap to RGB.
 *
 * @throws ImageFault for a damaged file or an unsupported variant
 */
export function decodeBmp(bytes: Uint8Array): RgbImage {
  const { view, headerSize, isCore, width, signedHeight } = readHeader(bytes);
  const bits = view.getUint16(isCore ? 24 : 28, true);
  const compression = isCore ? UNCOMPRESSED : view.getUint32(30, true);
  const height = Math.abs(signedHeight);
  const hasMasks = bits === 32 && (compression === BIT_FIELDS || compression === ALPHA_BIT_FIELDS);
  if (
    ![1, 4, 8, 24, 32].includes(bits) ||
    !(compression === UNCOMPRESSED || hasMasks) ||
    (hasMasks &&
      (bytes.length < 66 || USUAL_MASKS.some((mask, i) => view.getUint32(54 + 4 * i, true) !== mask)))
  )
    throw new ImageFault(
      `it is a bitmap of ${bits} bits with compression ${compression}, which is not supported`,
    );

  const stride = Math.ceil((width * bits) / 32) * 4;
  const start = view.getUint32(10, true);
  if (start + stride * height > bytes.length) throw new ImageFault('it ends too early');
  const entryBytes = isCore ? 3 : 4;
  const palette = 14 + headerSize;
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    const row = start + stride * (signedHeight > 0 ? height - 1 - y : y);
    for (let x = 0; x < width; x++) {
      const blue =
        bits > 8
          ? row + (x * bits) / 8
          : palette + entryBytes * bitsAt(bytes[row + ((x * bits) >> 3)] ?? 0, (x * bits) & 7, bits);
      const to = (y * width + x) * 3;
      for (let channel = 0; channel < 3; channel++) data[to + channel] = bytes[blue + 2 - channel] ?? 0;
    }
  }
  return { width, height, data };
}

/** `count` bits of a byte, starting at bit `from` from the highest. */
function bitsAt(byte: number, from: number, count: number): number {
  return (byte >> (8 - from - count)) & ((1 << count) - 1);
}
