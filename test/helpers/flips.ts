/** Single bits flipped at random places of a file: each must be noticed, or be without any effect on what is read. */
import { readFileSync, writeFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { UserError } from '../../engine/errors.js';

export interface Flip {
  /** In bytes. */
  readonly at: number;
  /** 0 to 7. */
  readonly bit: number;
}

export interface FlipReport {
  readonly count: number;
  /** A `UserError`, or what `isNoticed` says. */
  readonly noticed: number;
  /** Read as if nothing had happened. */
  readonly harmless: number;
  /** Something else was read, without a word. */
  readonly silent: readonly Flip[];
  /** Other exceptions, with their text. */
  readonly crashed: readonly (Flip & { readonly error: string })[];
}

export interface FlipOptions {
  /** 1,000. */
  readonly count?: number;
  readonly seed?: number;
  /** Only bytes from here up to there. */
  readonly from?: number;
  readonly to?: number;
  /** Whether what was read tells of the damage in another way, such as a warning or exit code. */
  readonly isNoticed?: (found: unknown) => boolean;
}

/** The same flips for the same seed. */
export function flipsOf(
  size: number,
  { count = 1000, seed = 1, from = 0, to = size }: FlipOptions = {},
): Flip[] {
  let state = seed;
  // mulberry32.
  const next = (limit: number): number => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % limit;
  };
  return Array.from({ length: count }, () => ({ at: from + next(to - from), bit: next(8) }));
}

export function flipped(bytes: Uint8Array, { at, bit }: Flip): Uint8Array {
  const copy = bytes.slice();
  copy[at]! ^= 1 << bit;
  return copy;
}

/**
 * @param read everything of a file that can have an effect, comparable by `isDeepStrictEqual`
 */
export async function tryFlips(
  bytes: Uint8Array,
  read: (bytes: Uint8Array) => Promise<unknown>,
  options: FlipOptions = {},
): Promise<FlipReport> {
  const expected = await read(bytes);
  let noticed = 0;
  let harmless = 0;
  const silent: Flip[] = [];
  const crashed: (Flip & { error: string })[] = [];
  const flips = flipsOf(bytes.length, options);
  for (const flip of flips) {
    try {
      const found = await read(flipped(bytes, flip));
      if (options.isNoticed?.(found)) noticed++;
      else if (isDeepStrictEqual(found, expected)) harmless++;
      else silent.push(flip);
    } catch (error) {
      if (error instanceof UserError) noticed++;
      else crashed.push({ ...flip, error: String((error as Error).stack ?? error) });
    }
  }
  return { count: flips.length, noticed, harmless, silent, crashed };
}

/** The same of a file on disk, which is whole again afterwards. */
export async function tryFileFlips(
  path: string,
  read: () => Promise<unknown>,
  options: FlipOptions = {},
): Promise<FlipReport> {
  const bytes = Uint8Array.from(readFileSync(path));
  const readFlipped = (changed: Uint8Array) => {
    writeFileSync(path, changed);
    return read();
  };
  try {
    return await tryFlips(bytes, readFlipped, options);
  } finally {
    writeFileSync(path, bytes);
  }
}
