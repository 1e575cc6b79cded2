/** A part of a file, such as a tensor: with a CRC-32, nothing of it is used before all of it has been compared. */
import type { RoundedHalves, UserError } from '../engine/index.js';
import { crc32Of, crc32OfRange } from './crc32.js';
import type { Files } from './files.js';

/** Bytes `[at, at + length)` of a file. */
interface Extent {
  readonly path: string;
  readonly at: number;
  readonly length: number;
  /** What they must sum up to, if that is known, and the error when they do not. */
  readonly crc32?: number | undefined;
  wrong?(): UserError;
}

/** Ways to read a part. */
export interface FilePart {
  /** In bytes. */
  readonly length: number;
  bytes(): Promise<Uint8Array>;
  /** Some of the bytes; the first time, the sum of all is taken as well. */
  range(offset: number, count: number): Promise<Uint8Array>;
  /** All of it, float32 values, as float16; only where `readHalves` is. */
  halves(): Promise<RoundedHalves>;
}

/** Bytes of a file, to be read when they are asked for. */
export function filePart(files: Files, extent: Extent): FilePart {
  const { path, at, length, crc32: expected } = extent;
  const summed = expected !== undefined;
  const compare = (found: number) => {
    if (summed && found !== expected) throw extent.wrong!();
  };
  const bytes = async (): Promise<Uint8Array> => {
    if (length === 0) {
      compare(0);
      return new Uint8Array(0);
    }
    if (summed && files.readSummed) {
      const { bytes, crc32 } = await files.readSummed(path, at, length);
      compare(crc32);
      return bytes;
    }
    const bytes = await files.read(path, at, length);
    if (summed) compare(crc32Of(files)(bytes));
    return bytes;
  };
  let whole: Promise<void> | undefined;
  return {
    length,
    bytes,
    range: async (offset, count) => {
      if (count === 0) return new Uint8Array(0);
      if (count === length) return bytes();
      if (summed) {
        whole ??= crc32OfRange(files, path, at, length).then(compare);
        await whole;
      }
      return files.read(path, at + offset, count);
    },
    halves: async () => {
      const rounded = await files.readHalves!(path, at, length / 4, summed);
      if (summed) compare(rounded.crc32 ?? (await crc32OfRange(files, path, at, length)));
      return rounded;
    },
  };
}
