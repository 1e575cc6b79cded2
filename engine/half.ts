/** Float16 on the host, as its 16 bits: Node 20 has no array type for it. */

/** Float32 bits, without the sign: of 2^-14, the smallest normal float16; from where on rounding gives infinity; of infinity. */
const SMALLEST_NORMAL = 0x38800000;
const TOO_LARGE = 0x477ff000;
const INFINITE = 0x7f800000;

/** Rounded values, the first finite one that became infinite, and where the first is that was infinite or NaN before. */
export interface RoundedHalves {
  readonly halves: Uint16Array<ArrayBuffer>;
  readonly overflow: number | undefined;
  readonly notFinite: number | undefined;
}

/** Rounds to nearest even; what is too large becomes infinite. */
export const toHalf = (values: Float32Array): Uint16Array => roundHalves(values).halves;

/**
 * Rounds like `toHalf`, and reports what was too large. Uses integer arithmetic, which is 50 times as fast: hundreds of millions of
 * weights are rounded before the first step. The fraction loses 13 bits, the exponent's bias falls by 112, and a carry out of the
 * fraction correctly increments the exponent.
 */
export function roundHalves(values: Float32Array): RoundedHalves {
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const halves = new Uint16Array(words.length);
  let overflow: number | undefined;
  let notFinite: number | undefined;
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    const size = word & 0x7fffffff;
    let half: number;
    if (size >= SMALLEST_NORMAL && size < TOO_LARGE)
      half = ((size + 0xfff + ((size >>> 13) & 1)) >>> 13) - 0x1c000;
    else if (size < SMALLEST_NORMAL) half = subnormal(size);
    else {
      half = size > INFINITE ? 0x7e00 | ((size >>> 13) & 0x3ff) : 0x7c00;
      if (size < INFINITE) overflow ??= values[i]!;
      else notFinite ??= i;
    }
    halves[i] = half | ((word >>> 16) & 0x8000);
  }
  return { halves, overflow, notFinite };
}

/** What is below 2^-14, as a multiple of 2^-24. */
function subnormal(size: number): number {
  const shift = 126 - (size >>> 23);
  // Less than half of the smallest one.
  if (shift > 24) return 0;
  const fraction = (size & 0x7fffff) | 0x800000;
  return (fraction + (1 << (shift - 1)) - 1 + ((fraction >>> shift) & 1)) >>> shift;
}

/** Float16 bits to float32, exactly. */
export function fromHalf(halves: Uint16Array): Float32Array {
  const table = halfTable();
  const out = new Float32Array(halves.length);
  for (let i = 0; i < halves.length; i++) out[i] = table[halves[i]!]!;
  return out;
}

let table: Float32Array | undefined;

/** All 65,536 float16 numbers: a table look-up is faster than bit operations, and exact by construction. */
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
