/** Random weights to measure with: the same in every process for the same name, without a file between them. */
import { toHalf } from '../../engine/half.js';
import { repeat, seededPattern } from '../../engine/kernels/pattern.js';

export { PATTERN, seededHalves, seededValues } from '../../engine/kernels/pattern.js';

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
  return seededPattern(seedOf(name), count, scale, /\bln_\w+\.weight$/.test(name) ? 1 : 0);
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
