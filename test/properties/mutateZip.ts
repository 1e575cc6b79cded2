/** Archives with single fields of their directory changed, and entries doubled, exchanged or laid over one another. */
import { type Next, pick } from './choices.js';

/** Offset and width of the fields of an entry in the central directory. */
const FIELDS = [
  [8, 2],
  [10, 2],
  [16, 4],
  [20, 4],
  [24, 4],
  [28, 2],
  [30, 2],
  [32, 2],
  [42, 4],
] as const;
const END_FIELDS = [
  [8, 2],
  [10, 2],
  [12, 4],
  [16, 4],
  [20, 2],
] as const;
const LOCAL_FIELDS = [
  [0, 4],
  [8, 2],
  [18, 4],
  [22, 4],
  [26, 2],
  [28, 2],
] as const;

export function mutateDirectory(archive: Uint8Array, next: Next): Uint8Array {
  const bytes = Buffer.from(archive);
  const entries: number[] = [];
  for (
    let at = bytes.indexOf('PK\x01\x02', 0, 'latin1');
    at >= 0;
    at = bytes.indexOf('PK\x01\x02', at + 4, 'latin1')
  )
    entries.push(at);
  const end = bytes.lastIndexOf('PK\x05\x06', undefined, 'latin1');
  const extremes = [
    0,
    1,
    8,
    0xffff,
    0x7fffffff,
    0xffffffff,
    bytes.length,
    bytes.length - 1,
    2 ** 20,
    2 ** 28,
    next(bytes.length),
  ];
  const set = (at: number, width: number) => {
    if (at + width > bytes.length) return;
    const value = pick(next, extremes);
    if (width === 2) bytes.writeUInt16LE(value & 0xffff, at);
    else bytes.writeUInt32LE(value >>> 0, at);
  };
  for (let changes = 1 + next(3); changes > 0; changes--) {
    const entry = pick(next, entries);
    const kind = next(8);
    if (kind < 3) {
      const [at, width] = pick(next, FIELDS);
      set(entry + at, width);
    } else if (kind === 3) {
      const [at, width] = pick(next, END_FIELDS);
      set(end + at, width);
    } else if (kind === 4) {
      const [at, width] = pick(next, LOCAL_FIELDS);
      set(bytes.readUInt32LE(entry + 42) + at, width);
    } else if (kind === 5) {
      // Sizes of one entry, as a bomb has them: announced, not there.
      set(entry + 24, 4);
      bytes.writeUInt16LE(pick(next, [0, 8]), entry + 10);
    } else if (kind === 6) {
      // Two entries on the same data.
      bytes.copy(bytes, entry + 42, pick(next, entries) + 42, pick(next, entries) + 46);
    } else {
      // Two entries of one name, or of exchanged names.
      const other = pick(next, entries);
      const length = Math.min(bytes.readUInt16LE(entry + 28), bytes.readUInt16LE(other + 28), 64);
      bytes.copy(bytes, entry + 46, other + 46, other + 46 + length);
    }
  }
  return Uint8Array.from(bytes);
}
