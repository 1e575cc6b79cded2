/** Pictures of a report through the platform's decoder. */
import type { Platform } from '../platform.js';
import type { Thumbnails } from './photos.js';

/** Width of a picture in pixels: a card of the page is about as wide on a screen of double density. */
const EDGE = 192;

/** Makes pictures, or nothing on a platform that makes none. A file that cannot be read has no picture. */
export function thumbnailsOf(platform: Platform): Thumbnails | undefined {
  const make = platform.thumbnail?.bind(platform);
  return make && ((path) => make(path, EDGE).catch(() => undefined));
}
