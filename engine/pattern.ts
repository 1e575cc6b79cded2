/** Numbers to time kernels with: random ones, repeated, so that filling a large tensor costs a copy of memory. */
import { toHalf } from './half.js';
import type { Tensor } from './tensor.js';

/** Prime, so that rows of no width repeat. */
const LENGTH = 65537;

let pattern: { readonly f32: Float32Array<ArrayBuffer>; readonly f16: Uint16Array } | undefined;

function numbers() {
  if (!pattern) {
    const f32 = new Float32Array(LENGTH);
    let state = 1;
    for (let i = 0; i < LENGTH; i++) {
      state = (Math.imul(state, 1664525) + 1013904223) | 0;
      f32[i] = state / 2147483648;
    }
    pattern = { f32, f16: toHalf(f32) };
  }
  return pattern;
}

/** Values for a tensor as they are stored: uniform in [-1, 1), or zeros for whole numbers. */
export function patternOf({
  size,
  dtype,
}: Tensor): Float32Array<ArrayBuffer> | Uint16Array<ArrayBuffer> | Int32Array<ArrayBuffer> {
  if (dtype === 'i32') return new Int32Array(size);
  const { f32, f16 } = numbers();
  const [source, values] =
    dtype === 'f16' ? ([f16, new Uint16Array(size)] as const) : ([f32, new Float32Array(size)] as const);
  for (let at = 0; at < size; at += LENGTH) values.set(source.subarray(0, Math.min(LENGTH, size - at)), at);
  return values;
}
