/**
 * The first frame of a GIF as Pillow decodes it. Pillow keeps the palette colour of transparent pixels, which sharp's decoder
 * erases, and fills the canvas outside the frame with one entry of the palette. Source: GIF89a specification; Pillow, `GifImagePlugin.py` (`load_prepare`).
 */

type Colour = readonly [number, number, number];

/** How to decode the first frame. */
export interface GifFrame {
  /** The file with the transparency flag of the first frame cleared. */
  readonly opaque: Uint8Array;
  /** Colour of the canvas outside the frame. */
  readonly background: Colour;
  /** Position of the frame on the canvas, in pixels. */
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

const EXTENSION = 0x21;
const GRAPHIC_CONTROL = 0xf9;
const IMAGE = 0x2c;

/** Finds the first frame; undefined if the file ends before it. */
export function firstGifFrame(file: Uint8Array): GifFrame | undefined {
  const opaque = file.slice();
  // Beyond the end of a truncated file everything reads as 0.
  const byte = (at: number): number => file[at] ?? 0;
  const palette = { flags: byte(10), at: 13 };
  let transparent = 0;
  let at = 13 + paletteBytes(palette.flags);
  while (at + 10 <= file.length && file[at] !== IMAGE) {
    if (file[at] !== EXTENSION) {
      at++;
      continue;
    }
    if (file[at + 1] === GRAPHIC_CONTROL && byte(at + 2) >= 4 && byte(at + 3) & 1) {
      transparent = byte(at + 6);
      opaque[at + 3] = byte(at + 3) & ~1;
    }
    at += 2;
    while (at < file.length && file[at] !== 0) at += 1 + byte(at);
    at++;
  }
  if (at + 10 > file.length) return undefined;
  const word = (from: number) => byte(from) | (byte(from + 1) << 8);
  const [left, top] = [word(at + 1), word(at + 3)];
  const own = { flags: byte(at + 9), at: at + 10 };
  const { flags, at: start } = own.flags & 0x80 ? own : palette;
  const entry = start + 3 * transparent;
  // Without a palette, values are shades of grey.
  const background: Colour =
    3 * transparent < paletteBytes(flags)
      ? [byte(entry), byte(entry + 1), byte(entry + 2)]
      : [transparent, transparent, transparent];
  return { opaque, background, left, top, right: left + word(at + 5), bottom: top + word(at + 7) };
}

function paletteBytes(flags: number): number {
  return flags & 0x80 ? 3 << ((flags & 7) + 1) : 0;
}
