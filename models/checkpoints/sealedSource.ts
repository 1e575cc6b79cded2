/** Reading safetensors files that have a checksum (seal.ts), and those that have none. */
import { UserError } from '../../engine/errors.js';
import type { RoundedHalves } from '../../engine/half.js';
import { readable } from '../fileErrors.js';
import type { Platform } from '../platform.js';
import { crc32Of, crc32OfRange } from './crc32.js';
import { isHeaderWhole, readSeal, type Seal } from './seal.js';

const CHANGED =
  'it is not as it was written: copy it again, or make it again; a program that rewrites it must leave the checksum out of its metadata';

/** Of a file of ours that is not as it was written. */
export function changed(path: string, problem: string): UserError {
  return new UserError(`${path}: ${readable(problem)}`, CHANGED);
}

/** The checksum of a file whose header, with its length field, is `header`. @throws UserError when that is not as it was written */
export function sealOf(
  path: string,
  header: Uint8Array,
  metadata: Readonly<Record<string, string>>,
  tensors: number,
): Seal | undefined {
  let seal: Seal | undefined;
  try {
    seal = readSeal(header, metadata, tensors);
  } catch (error) {
    throw changed(path, (error as Error).message);
  }
  if (seal && !isHeaderWhole(header, seal.header)) throw changed(path, 'the checksum of its header is wrong');
  return seal;
}

/** Where a tensor's bytes are. */
interface Extent {
  readonly path: string;
  readonly name: string;
  readonly at: number;
  readonly length: number;
}

/** Reads a tensor's bytes and compares them with their sum: all of them, or once before the first part of them. */
export function sourceOf(
  platform: Platform,
  { path, name, at, length }: Extent,
  expected: number | undefined,
) {
  const compare = (found: number) => {
    if (found !== expected) throw changed(path, `the checksum of tensor "${name}" is wrong`);
  };
  let whole: Promise<void> | undefined;
  return {
    bytes: async (): Promise<Uint8Array> => {
      if (length === 0) return new Uint8Array(0);
      if (expected !== undefined && platform.readSummed) {
        const { bytes, crc32 } = await platform.readSummed(path, at, length);
        compare(crc32);
        return bytes;
      }
      const bytes = await platform.read(path, at, length);
      if (expected !== undefined) compare(crc32Of(platform)(bytes));
      return bytes;
    },
    range: async (offset: number, count: number): Promise<Uint8Array> => {
      if (count === 0) return new Uint8Array(0);
      if (expected !== undefined) {
        whole ??= crc32OfRange(platform, path, at, length).then(compare);
        await whole;
      }
      return platform.read(path, at + offset, count);
    },
    halves: async (values: number): Promise<RoundedHalves> => {
      const rounded = await platform.readHalves!(path, at, values, expected !== undefined);
      if (expected !== undefined) compare(rounded.crc32 ?? (await crc32OfRange(platform, path, at, length)));
      return rounded;
    },
  };
}
