/** Safetensors files with a value that is no number. */
import type { Random } from '../../models/random.js';

/** What is put in place of a value. */
export const VALUES = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY] as const;

/** The header of a safetensors file, without its metadata. */
export type Header = Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }>;

/** A safetensors file with one value that is none. */
export function spoilt(file: Uint8Array, random: Random) {
  const bytes = Buffer.from(file);
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, start)) as Header;
  const floats = Object.entries(header).filter(([, { dtype }]) => dtype === 'F32' || dtype === 'F16');
  const [tensor, { dtype, shape, data_offsets }] = floats[random.below(floats.length)]!;
  const count = shape.reduce((product, n) => product * n, 1);
  const index = random.below(count);
  const value = VALUES[random.below(VALUES.length)]!;
  if (dtype === 'F32') bytes.writeFloatLE(value, start + data_offsets[0] + 4 * index);
  else
    bytes.writeUInt16LE(
      Number.isNaN(value) ? 0x7e00 : value > 0 ? 0x7c00 : 0xfc00,
      start + data_offsets[0] + 2 * index,
    );
  const place: number[] = [];
  let rest = index;
  for (const size of [...shape].reverse()) {
    place.unshift(rest % size);
    rest = Math.floor(rest / size);
  }
  return { file: Uint8Array.from(bytes), tensor, place: place.join(', '), value };
}
