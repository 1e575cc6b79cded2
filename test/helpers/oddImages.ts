/**
 * Image files of every kind that data sets come with, and every way in which one can be broken. Made from a seed, so that any
 * number of them is the same on every machine.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { crc32 } from '../../formats/crc32.js';
import type { RgbImage } from '../../models/images/types.js';
import { Random } from '../../models/random.js';
import { syntheticImage } from './syntheticImage.js';

export interface OddImage {
  readonly path: string;
  /** What it is, in words. */
  readonly kind: string;
  /** Pixels as Pillow's `convert("RGB")` has them, where the format keeps them; undefined where it is lossy. */
  readonly pixels?: RgbImage;
}

export interface BrokenFile {
  readonly path: string;
  readonly kind: string;
}

interface Made {
  readonly file: Buffer;
  readonly pixels?: RgbImage;
}

const raw = ({ width, height, data }: RgbImage) => sharp(data, { raw: { width, height, channels: 3 } });

const mapped = (image: RgbImage, pixel: (at: number) => readonly number[]): RgbImage => {
  const data = new Uint8Array(image.data.length);
  for (let at = 0; at < data.length; at += 3) data.set(pixel(at), at);
  return { ...image, data };
};

/** The picture three times, each another one but for the first. */
function animation(image: RgbImage) {
  const { width, height, data } = image;
  const frames = Buffer.concat([data, data.map((value) => 255 - value), data.map((value) => value >> 1)]);
  return sharp(frames, { raw: { width, height: 3 * height, channels: 3, pageHeight: height } });
}

function withAlpha({ width, height, data }: RgbImage) {
  const rgba = new Uint8Array((data.length / 3) * 4);
  for (let i = 0; i < data.length / 3; i++)
    rgba.set([...data.subarray(3 * i, 3 * i + 3), (7 * i) & 255], 4 * i);
  return sharp(rgba, { raw: { width, height, channels: 4 } });
}

/** 16-bit samples of one channel or three. */
function deep({ width, height, data }: RgbImage, channels: 1 | 3) {
  const count = width * height * channels;
  const values = Uint16Array.from({ length: count }, (_, i) => data[channels === 1 ? 3 * i : i]! * 257);
  const space = channels === 1 ? 'grey16' : 'rgb16';
  return sharp(values, { raw: { width, height, channels } }).toColourspace(space);
}

function bmp({ width, height, data }: RgbImage): Buffer {
  const stride = Math.ceil((width * 3) / 4) * 4;
  const file = Buffer.alloc(54 + stride * height);
  file.write('BM', 'latin1');
  file.writeUInt32LE(54, 10);
  file.writeUInt32LE(40, 14);
  file.writeInt32LE(width, 18);
  file.writeInt32LE(height, 22);
  file.writeUInt16LE(1, 26);
  file.writeUInt16LE(24, 28);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      for (let channel = 0; channel < 3; channel++)
        file[54 + (height - 1 - y) * stride + 3 * x + 2 - channel] = data[3 * (y * width + x) + channel]!;
  return file;
}

/** Few colours, which a palette holds without loss. */
const posterised = (image: RgbImage) =>
  mapped(image, (at) => [image.data[at]! & 0x80, image.data[at + 1]! & 0xc0, image.data[at + 2]! & 0x80]);

/** Makes of a picture a file of the kind. */
const GOOD: Readonly<Record<string, (image: RgbImage) => Promise<Made>>> = {
  png: async (pixels) => ({ file: await raw(pixels).png().toBuffer(), pixels }),
  'png, interlaced': async (pixels) => ({
    file: await raw(pixels).png({ progressive: true }).toBuffer(),
    pixels,
  }),
  'png with alpha': async (pixels) => ({ file: await withAlpha(pixels).png().toBuffer(), pixels }),
  'png with a palette': async (image) => {
    const pixels = posterised(image);
    return { file: await raw(pixels).png({ palette: true, dither: 0, quality: 100 }).toBuffer(), pixels };
  },
  'png, grey': async (image) => {
    const { width, height } = image;
    const grey = image.data.filter((_, i) => i % 3 === 2);
    const file = await sharp(grey, { raw: { width, height, channels: 1 } })
      .toColourspace('b-w')
      .png()
      .toBuffer();
    return { file, pixels: mapped(image, (at) => [grey[at / 3]!, grey[at / 3]!, grey[at / 3]!]) };
  },
  // Pillow clips these to 8 bits, where it scales those of three channels.
  'png, 16 bits of grey': async (image) => {
    const clipped = (at: number) => Math.min(255, image.data[at]! * 257);
    const pixels = mapped(image, (at) => [clipped(at), clipped(at), clipped(at)]);
    return { file: await deep(image, 1).png().toBuffer(), pixels };
  },
  'png, 16 bits': async (pixels) => ({ file: await deep(pixels, 3).png().toBuffer(), pixels }),
  'png without its last chunk': async (pixels) => ({
    file: (await raw(pixels).png().toBuffer()).subarray(0, -12),
    pixels,
  }),
  'png with bytes behind its end': async (pixels) => ({
    file: Buffer.concat([await raw(pixels).png().toBuffer(), Buffer.from('and more')]),
    pixels,
  }),
  'webp without loss': async (pixels) => ({
    file: await raw(pixels).webp({ lossless: true }).toBuffer(),
    pixels,
  }),
  'webp, animated': async (pixels) => ({
    file: await animation(pixels).webp({ lossless: true }).toBuffer(),
    pixels,
  }),
  'gif, animated': async (image) => {
    const pixels = posterised(image);
    return { file: await animation(pixels).gif({ dither: 0, effort: 1 }).toBuffer() };
  },
  'tiff, LZW': async (pixels) => ({
    file: await raw(pixels).tiff({ compression: 'lzw' }).toBuffer(),
    pixels,
  }),
  'tiff, turned': async (pixels) => ({
    file: await raw(pixels).withMetadata({ orientation: 1 }).tiff({ compression: 'none' }).toBuffer(),
    pixels,
  }),
  'tiff of several pages': async (pixels) => ({
    file: await animation(pixels).tiff({ compression: 'deflate' }).toBuffer(),
  }),
  bmp: async (pixels) => ({ file: bmp(pixels), pixels }),
  jpeg: async (image) => ({ file: await raw(image).jpeg().toBuffer() }),
  'jpeg, progressive': async (image) => ({ file: await raw(image).jpeg({ progressive: true }).toBuffer() }),
  'jpeg, CMYK': async (image) => ({ file: await raw(image).toColourspace('cmyk').jpeg().toBuffer() }),
  'jpeg with an orientation': async (image) => ({
    file: await raw(image).withMetadata({ orientation: 6 }).jpeg().toBuffer(),
  }),
  'jpeg, grey': async (image) => ({ file: await raw(image).greyscale().jpeg().toBuffer() }),
  webp: async (image) => ({ file: await raw(image).webp().toBuffer() }),
  avif: async (image) => ({ file: await raw(image).avif({ effort: 0 }).toBuffer() }),
};

/** The header of a PNG that claims a size, whole with its sum. */
function hugePng(width: number, height: number): Buffer {
  const body = Buffer.alloc(17);
  body.write('IHDR', 'latin1');
  body.writeUInt32BE(width, 4);
  body.writeUInt32BE(height, 8);
  body.set([8, 2, 0, 0, 0], 12);
  const size = Buffer.alloc(4);
  size.writeUInt32BE(13);
  const sum = Buffer.alloc(4);
  sum.writeUInt32BE(crc32(body));
  return Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), size, body, sum, Buffer.alloc(64)]);
}

function hugeJpeg(file: Buffer): Buffer {
  const copy = Buffer.from(file);
  const frame = copy.indexOf(Buffer.from([0xff, 0xc0]));
  copy.writeUInt16BE(60_000, frame + 5);
  copy.writeUInt16BE(60_000, frame + 7);
  return copy;
}

/** Makes of a picture a file that no decoder may accept, and what it is called. */
const BROKEN: Readonly<Record<string, (image: RgbImage, random: Random) => Promise<Buffer> | Buffer>> = {
  'of no bytes.png': () => Buffer.alloc(0),
  'of no bytes.jpg': () => Buffer.alloc(0),
  'text.png': () => Buffer.from('this is no picture\n'),
  'page.jpg': () => Buffer.from('<!DOCTYPE html><title>404</title>'),
  'drawing.png': () => Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'),
  'noise.webp': (_, random) => Buffer.from(Array.from({ length: 500 }, () => random.below(256))),
  'zeros.jpg': () => Buffer.alloc(4000),
  'cut.jpg': async (image, random) => cut(await raw(image).jpeg().toBuffer(), random),
  'cut, progressive.jpg': async (image, random) =>
    cut(await raw(image).jpeg({ progressive: true }).toBuffer(), random),
  'cut.png': async (image, random) => cut(await raw(image).png().toBuffer(), random),
  'cut, interlaced.png': async (image, random) =>
    cut(await raw(image).png({ progressive: true }).toBuffer(), random),
  'cut.webp': async (image, random) => cut(await raw(image).webp().toBuffer(), random),
  'cut.gif': async (image, random) => cut(await raw(image).gif().toBuffer(), random),
  'cut.tif': async (image, random) => cut(await raw(image).tiff({ compression: 'lzw' }).toBuffer(), random),
  'cut.avif': async (image, random) => cut(await raw(image).avif({ effort: 0 }).toBuffer(), random),
  'cut.bmp': (image, random) => cut(bmp(image), random),
  'a header alone.png': async (image) => (await raw(image).png().toBuffer()).subarray(0, 33),
  'a header alone.jpg': async (image) => (await raw(image).jpeg().toBuffer()).subarray(0, 200),
  'zeros from the middle on.png': async (image) => zeroed(await raw(image).png().toBuffer()),
  'huge.png': (_, random) => hugePng(100_000 + random.below(1000), 100_000),
  'huge, narrow.png': () => hugePng(1, 2 ** 30),
  'huge.jpg': async (image) => hugeJpeg(await raw(image).jpeg().toBuffer()),
  'huge.gif': () => Buffer.from('474946383961ffffffff0000002c00000000ffffffff00020100003b', 'hex'),
  'huge.bmp': (image) => {
    const file = bmp(image);
    file.writeInt32LE(2 ** 30, 18);
    file.writeInt32LE(-(2 ** 30), 22);
    return file;
  },
};

/** Ends a file at 5 % to 95 % of it. */
const cut = (file: Buffer, random: Random) =>
  file.subarray(0, Math.floor(file.length * (0.05 + 0.9 * random.random())));

/** As of a copy that was interrupted on a file system that had made room already. */
function zeroed(file: Buffer): Buffer {
  const copy = Buffer.from(file);
  return copy.fill(0, file.length >> 1);
}

export const KINDS_OF_GOOD = Object.keys(GOOD).length;
export const KINDS_OF_BROKEN = Object.keys(BROKEN).length;

/** Writes `count` good images, the kinds in turn. */
export async function writeGoodImages(folder: string, count: number, seed = 1): Promise<OddImage[]> {
  mkdirSync(folder, { recursive: true });
  const kinds = Object.entries(GOOD);
  const images: OddImage[] = [];
  for (let i = 0; i < count; i++) {
    const [kind, make] = kinds[i % kinds.length]!;
    const { file, pixels } = await make(picture(i, seed));
    const ending = kind.split(/[ ,]/)[0];
    const path = join(folder, `good-${String(i).padStart(5, '0')}.${ending}`);
    writeFileSync(path, file);
    images.push({ path, kind, pixels });
  }
  return images;
}

/** Writes `count` broken ones, the kinds in turn. */
export async function writeBrokenImages(folder: string, count: number, seed = 1): Promise<BrokenFile[]> {
  mkdirSync(folder, { recursive: true });
  const kinds = Object.entries(BROKEN);
  const files: BrokenFile[] = [];
  for (let i = 0; i < count; i++) {
    const [kind, make] = kinds[i % kinds.length]!;
    const random = Random.of(seed, 'broken', i);
    const path = join(folder, `broken-${String(i).padStart(5, '0')}-${kind.replaceAll(/[ ,]+/g, '-')}`);
    writeFileSync(path, await make(picture(i, seed), random));
    files.push({ path, kind });
  }
  return files;
}

/** Another one for every number, of another size. */
function picture(i: number, seed: number): RgbImage {
  const random = Random.of(seed, 'picture', i);
  return syntheticImage(24 + random.below(90), 24 + random.below(90), 1 + random.below(2 ** 31));
}

/** Files of small pictures, a kind each, that mutations start from. */
export async function imageSeeds(): Promise<Buffer[]> {
  const image = syntheticImage(33, 21);
  return Promise.all(Object.values(GOOD).map(async (make) => (await make(image)).file));
}
