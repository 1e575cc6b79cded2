/** Finds what is infinite or not a number in stored values: every weight goes through here, so it must cost next to nothing. */

/** Exponents of 16 bits that are all ones, which mean infinity or NaN. */
const EXPONENTS: Readonly<Record<string, number>> = { F16: 0x7c00, BF16: 0x7f80 };
/** Values that are looked at before it is asked whether one was bad. */
const CHUNK = 1 << 14;

/** Index of the first value that is infinite or NaN in little-endian `bytes` of a stored dtype; integers are always finite. */
export function firstNotFinite(dtype: string, bytes: Uint8Array): number | undefined {
  const exponent = EXPONENTS[dtype];
  if (exponent === undefined && dtype !== 'F32' && dtype !== 'F64') return undefined;
  const { buffer, byteOffset, length } = bytes.byteOffset % 8 === 0 ? bytes : bytes.slice();
  if (exponent !== undefined)
    return firstBadHalf(new Uint16Array(buffer, byteOffset, length >>> 1), exponent);
  const values =
    dtype === 'F32'
      ? new Float32Array(buffer, byteOffset, length >>> 2)
      : new Float64Array(buffer, byteOffset, length >>> 3);
  for (let from = 0; from < values.length; from += CHUNK) {
    const to = Math.min(values.length, from + CHUNK);
    if (zeros(values, from, to) === 0) continue;
    for (let i = from; i < to; i++) if (!Number.isFinite(values[i])) return i;
  }
  return undefined;
}

/** The sum of 0 times each value: NaN where one is infinite or NaN. Four sums, as a processor adds several at once. */
function zeros(values: Float32Array | Float64Array, from: number, to: number): number {
  let a = 0;
  let b = 0;
  let c = 0;
  let d = 0;
  let i = from;
  for (; i < to - 3; i += 4) {
    a += values[i]! * 0;
    b += values[i + 1]! * 0;
    c += values[i + 2]! * 0;
    d += values[i + 3]! * 0;
  }
  for (; i < to; i++) a += values[i]! * 0;
  return a + b + c + d;
}

/** Two halves at a time: adding the lowest bit of an exponent that is all ones carries into the bit above it. */
function firstBadHalf(halves: Uint16Array, exponent: number): number | undefined {
  const pairs = new Int32Array(halves.buffer, halves.byteOffset, halves.length >>> 1);
  const both = exponent * 0x10001;
  const lowest = (exponent & -exponent) * 0x10001;
  for (let from = 0; from < halves.length; from += 2 * CHUNK) {
    let carries = 0;
    const end = Math.min(pairs.length, from / 2 + CHUNK);
    for (let i = from / 2; i < end; i++) carries |= (pairs[i]! & both) + lowest;
    const last = from + 2 * CHUNK >= halves.length;
    if ((carries & 0x80008000) === 0 && !last) continue;
    // Also where nothing is bad: the last half may have none beside it.
    const to = Math.min(halves.length, from + 2 * CHUNK);
    for (let i = from; i < to; i++) if ((halves[i]! & exponent) === exponent) return i;
  }
  return undefined;
}

/** `[i, j]` of a value in a tensor of that shape; its first row is row `first` of the whole. */
export function placeIn(shape: readonly number[], index: number, first = 0): string {
  const place: number[] = [];
  let rest = index;
  for (const size of [...shape].slice(1).reverse()) {
    place.unshift(rest % size);
    rest = Math.floor(rest / size);
  }
  return `[${shape.length === 0 ? '' : [rest + first, ...place].join(', ')}]`;
}
