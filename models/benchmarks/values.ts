/** Numbers to measure with: the same in every process for the same seed, without a file between them. */
import { toHalf } from '../../engine/half.js';

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

/** Uniform in [-1, 1): all patterns are this one, from another place on. */
function drawPattern(): Float32Array {
  const values = new Float32Array(PATTERN);
  for (let i = 0; i < PATTERN; i++) values[i] = mixed(Math.imul(i + 1, 0x6d2b79f5)) / 2147483648 - 1;
  return values;
}

/** The first `count` values for a seed or as many as do not repeat, uniform in [-scale, scale) around `centre`. */
function pattern(seed: number, count: number, scale: number, centre = 0): Float32Array {
  drawn ??= drawPattern();
  const values = new Float32Array(Math.min(count, PATTERN));
  const start = mixed((seed + 0x6d2b79f5) | 0) % PATTERN;
  for (let i = 0; i < values.length; i++) values[i] = drawn[(start + i) % PATTERN]! * scale + centre;
  return values;
}

/** Again and again, until there are `count`. */
function repeat<T extends Float32Array | Uint16Array>(values: T, count: number): T {
  const all = (values instanceof Uint16Array ? new Uint16Array(count) : new Float32Array(count)) as T;
  for (let at = 0; at < count; at += values.length) all.set(values.subarray(0, count - at), at);
  return all;
}

/** Uniform in [-scale, scale). */
export const seededValues = (seed: number, count: number, scale = 1): Float32Array =>
  repeat(pattern(seed, count, scale), count);

/** The same as the bits of float16 values. */
export const seededHalves = (seed: number, count: number, scale = 1): Uint16Array =>
  repeat(toHalf(pattern(seed, count, scale)), count);

/** A seed for a name (FNV-1a). */
export function seedOf(name: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return hash | 0;
}

const sizeOf = (shape: readonly number[]): number => shape.reduce((product, n) => product * n, 1);

function weightPattern(name: string, shape: readonly number[]): Float32Array {
  if (name === 'logit_scale') return Float32Array.of(Math.log(100));
  // `proj` matrices are stored [inputs, outputs], everything else [outputs, inputs…].
  const count = sizeOf(shape);
  const inputs = /proj(ection)?$/.test(name) ? shape[0]! : count / shape[0]!;
  const scale = shape.length > 1 ? Math.sqrt(3 / inputs) : 0.1;
  return pattern(seedOf(name), count, scale, /\bln_\w+\.weight$/.test(name) ? 1 : 0);
}

/**
 * Random weights for the tensor `name` of a CLIP, of a size at which activations neither vanish nor overflow: matrices by
 * their fan-in, LayerNorm's weights around 1, everything else small.
 */
export const randomWeight = (name: string, shape: readonly number[]): Float32Array =>
  repeat(weightPattern(name, shape), sizeOf(shape));

/** The same as the bits of float16 values. */
export const randomHalfWeight = (name: string, shape: readonly number[]): Uint16Array =>
  repeat(toHalf(weightPattern(name, shape)), sizeOf(shape));
