/** Float16 as the host sees it: its 16 bits. Node 20 has no array type for it. */
import { Float16Array } from '@petamoriken/float16';

/** Rounds to nearest even; what is too large becomes infinite. */
export function toHalf(values: ArrayLike<number>): Uint16Array {
  const halves = new Float16Array(values);
  return new Uint16Array(halves.buffer, halves.byteOffset, halves.length);
}

/** Exact. */
export function fromHalf(halves: Uint16Array): Float32Array {
  const table = halfTable();
  const out = new Float32Array(halves.length);
  for (let i = 0; i < halves.length; i++) out[i] = table[halves[i]!]!;
  return out;
}

let table: Float32Array | undefined;

/** All 65,536 half-precision numbers: a look-up a value beats bit tricks and is exact by construction. */
function halfTable(): Float32Array {
  if (table) return table;
  table = new Float32Array(65536);
  for (let bits = 0; bits < 65536; bits++) {
    const exponent = (bits >> 10) & 31;
    const fraction = bits & 1023;
    const size =
      exponent === 0
        ? fraction * 2 ** -24
        : exponent === 31
          ? fraction === 0
            ? Infinity
            : NaN
          : (1024 + fraction) * 2 ** (exponent - 25);
    table[bits] = bits & 0x8000 ? -size : size;
  }
  return table;
}
