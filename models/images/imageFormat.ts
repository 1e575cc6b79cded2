/** What an image file is, by its first bytes. Sources: the formats' own specifications. */

/** The recognised formats of image files. */
export type ImageFormat = 'jpeg' | 'png' | 'gif' | 'webp' | 'bmp' | 'tiff' | 'heif' | 'jp2' | 'jxl';

/** How many bytes tell. */
export const FORMAT_BYTES = 32;

/** The format that a file's first bytes announce, of those that data sets come in; undefined for anything else. */
export function imageFormat(bytes: Uint8Array): ImageFormat | undefined {
  const text = (from: number, to: number) => String.fromCharCode(...bytes.subarray(from, to));
  const start = text(0, 4);
  if (start.startsWith('\xff\xd8')) return 'jpeg';
  if (text(0, 8) === '\x89PNG\r\n\x1a\n') return 'png';
  if (start === 'GIF8') return 'gif';
  if (start === 'RIFF' && text(8, 12) === 'WEBP') return 'webp';
  if (start.startsWith('BM')) return 'bmp';
  // The plain form and BigTIFF, in either order of bytes.
  if (['II*\0', 'MM\0*', 'II+\0', 'MM\0+'].includes(start)) return 'tiff';
  if (text(4, 8) === 'ftyp') return 'heif';
  if (text(4, 8) === 'jP  ' || start === '\xff\x4f\xff\x51') return 'jp2';
  if (text(4, 8) === 'JXL ' || start.startsWith('\xff\x0a')) return 'jxl';
  return undefined;
}
