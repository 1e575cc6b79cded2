/** Numbers to time kernels with: the same in every process for the same seed, and as fast to make as a copy of memory. */

import type { HostData, Tensor } from '../graph/tensor.js';
import { toHalf } from '../half.js';

/**
 * Values before they repeat: a prime, so that no row of a matrix is like another before there are as many rows, whatever their
 * width. Drawing each of a model's hundreds of millions takes longer than anything that is measured with them.
 */
export const PATTERN = 65_537;

/** A step of mulberry32: uniform over all 32-bit numbers. */
function mixed(state: number): number {
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return (t ^ (t >>> 14)) >>> 0;
}

let drawn: Float32Array | undefined;

/** Uniform in [-1, 1): all of them are this one, from another place on. */
function drawPattern(): Float32Array {
  const values = new Float32Array(PATTERN);
  for (let i = 0; i < PATTERN; i++) values[i] = mixed(Math.imul(i + 1, 0x6d2b79f5)) / 2147483648 - 1;
  return values;
}

/** The first `count` values for a seed or as many as do not repeat, uniform in [-scale, scale) around `centre`. */
export function seededPattern(seed: number, count: number, scale: number, centre = 0): Float32Array {
  drawn ??= drawPattern();
  const values = new Float32Array(Math.min(count, PATTERN));
  const start = mixed((seed + 0x6d2b79f5) | 0) % PATTERN;
  for (let i = 0; i < values.length; i++) values[i] = drawn[(start + i) % PATTERN]! * scale + centre;
  return values;
}

/** Again and again, until there are `count`. */
export function repeat<T extends Float32Array | Uint16Array>(values: T, count: number): T {
  const all = (values instanceof Uint16Array ? new Uint16Array(count) : new Float32Array(count)) as T;
  for (let at = 0; at < count; at += values.length) all.set(values.subarray(0, count - at), at);
  return all;
}

/** Uniform in [-scale, scale). */
export const seededValues = (seed: number, count: number, scale = 1): Float32Array =>
  repeat(seededPattern(seed, count, scale), count);

/** The same as the bits of float16 values. */
export const seededHalves = (seed: number, count: number, scale = 1): Uint16Array =>
  repeat(toHalf(seededPattern(seed, count, scale)), count);

/** Values for a tensor as they are stored; whole numbers are 0. */
export function patternOf({ size, dtype, id }: Tensor): HostData {
  if (dtype === 'i32') return new Int32Array(size);
  return dtype === 'f16' ? seededHalves(id, size) : seededValues(id, size);
}
