/** Numbers to measure with: the same in every process for the same seed, without a file between them. */

/** Uniform in [-scale, scale), by mulberry32. */
export function seededValues(seed: number, count: number, scale = 1): Float32Array {
  const values = new Float32Array(count);
  let state = seed | 0;
  for (let i = 0; i < count; i++) {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    values[i] = (((t ^ (t >>> 14)) >>> 0) / 2147483648 - 1) * scale;
  }
  return values;
}

/** A seed for a name (FNV-1a). */
export function seedOf(name: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return hash | 0;
}

/**
 * Random weights for the tensor `name` of a CLIP, of a size at which activations neither vanish nor overflow: matrices by
 * their fan-in, LayerNorm's weights around 1, everything else small.
 */
export function randomWeight(name: string, shape: readonly number[]): Float32Array {
  const count = shape.reduce((product, n) => product * n, 1);
  if (name === 'logit_scale') return Float32Array.of(Math.log(100));
  // `proj` matrices are stored [inputs, outputs], everything else [outputs, inputs…].
  const inputs = /proj(ection)?$/.test(name) ? shape[0] : count / shape[0];
  const values = seededValues(seedOf(name), count, shape.length > 1 ? Math.sqrt(3 / inputs) : 0.1);
  if (/\bln_\w+\.weight$/.test(name)) for (let i = 0; i < count; i++) values[i] += 1;
  return values;
}
