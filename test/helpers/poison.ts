/** Files with one value that is infinite or not a number, for tests of what is loaded. */
import { readFileSync, writeFileSync } from 'node:fs';
import { unsealed } from './safetensors.js';

/** Bits of values that no weight may have, by name; of float32 and of float16. */
export const NOT_FINITE = {
  NaN: { f32: 0x7fc00000, f16: 0x7e00 },
  Infinity: { f32: 0x7f800000, f16: 0x7c00 },
  '-Infinity': { f32: 0xff800000, f16: 0xfc00 },
} as const;

/**
 * The bytes of a safetensors file whose tensor `name` (F32 or F16) has such a value at `index`, as a damaged one or another
 * program may have it: without checksums.
 */
export function poisoned(
  file: Uint8Array,
  name: string,
  index: number,
  value: keyof typeof NOT_FINITE = 'NaN',
): Uint8Array {
  const bytes = unsealed(file);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const start = 8 + Number(view.getBigUint64(0, true));
  const entry = JSON.parse(new TextDecoder().decode(bytes.subarray(8, start)))[name];
  if (!entry) throw new Error(`no tensor ${name}`);
  const at = start + entry.data_offsets[0];
  if (entry.dtype === 'F16') view.setUint16(at + 2 * index, NOT_FINITE[value].f16, true);
  else view.setUint32(at + 4 * index, NOT_FINITE[value].f32, true);
  return bytes;
}

/** The same of a file in its place. */
export function poison(
  path: string,
  name: string,
  index: number,
  value: keyof typeof NOT_FINITE = 'NaN',
): void {
  writeFileSync(path, poisoned(readFileSync(path), name, index, value));
}
