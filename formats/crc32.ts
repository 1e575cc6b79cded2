/** CRC-32 as ZIP, gzip and our own files use it (polynomial 0xedb88320), for hosts that have no fast one of their own. */
import type { Files } from './files.js';

/** Eight bytes a turn: table k says what a byte does to the sum k bytes later ("slicing by 8", Kounavis and Berry 2005). */
const SLICES = 8;

/** What each byte does to a reflected CRC-32 of the given polynomial. */
export const crcTable = (polynomial: number): Int32Array =>
  Int32Array.from({ length: 256 }, (_, byte) => {
    let value = byte;
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ polynomial : value >>> 1;
    return value;
  });

function makeTables(): Int32Array {
  const tables = new Int32Array(256 * SLICES);
  tables.set(crcTable(0xedb88320));
  for (let i = 256; i < tables.length; i++) {
    const before = tables[i - 256]!;
    tables[i] = tables[before & 255]! ^ (before >>> 8);
  }
  return tables;
}

const TABLES = makeTables();

/** @param previous the sum of the bytes before these, where they are a part of something */
export function crc32(bytes: Uint8Array, previous = 0): number {
  const t = TABLES;
  let crc = ~previous;
  let i = 0;
  for (const end = bytes.length - 7; i < end; i += 8) {
    const low = crc ^ (bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24));
    crc =
      t[1792 + (low & 255)]! ^
      t[1536 + ((low >>> 8) & 255)]! ^
      t[1280 + ((low >>> 16) & 255)]! ^
      t[1024 + (low >>> 24)]! ^
      t[768 + bytes[i + 4]!]! ^
      t[512 + bytes[i + 5]!]! ^
      t[256 + bytes[i + 6]!]! ^
      t[bytes[i + 7]!]!;
  }
  for (; i < bytes.length; i++) crc = t[(crc ^ bytes[i]!) & 255]! ^ (crc >>> 8);
  return ~crc >>> 0;
}

/** The host's own where it has one. */
export const crc32Of = (files: Pick<Files, 'crc32'>): typeof crc32 => files.crc32 ?? crc32;

/** Bytes of a file that are summed at a time, so that memory stays small. */
const PIECE = 4 * 2 ** 20;

/** The sum of a part of a file. */
export async function crc32OfRange(
  files: Files,
  path: string,
  offset: number,
  length: number,
): Promise<number> {
  const sum = crc32Of(files);
  let crc = 0;
  for (let done = 0; done < length; done += PIECE)
    crc = sum(await files.read(path, offset + done, Math.min(PIECE, length - done)), crc);
  return crc;
}
