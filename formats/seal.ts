/**
 * The checksum in the safetensors files that we write, so that a flipped bit or a lost block is noticed when a file is read:
 *
 *     {"__metadata__":{"checksum":"crc32:HHHHHHHH TTTTTTTT TTTTTTTT ...", ...}, ...}
 *
 * CRC-32 in hexadecimal: first of the header with the length before it, its own eight digits taken as zeros; then of each tensor's
 * bytes in the order of the file. Readers of other programs see one more entry of the metadata. It is the first entry, so
 * that the digits of the header's sum are always at the same place.
 */
import { UserError } from '../engine/index.js';
import { crc32 } from './crc32.js';
import { readable } from './fileErrors.js';

/** Its name in the metadata. */
export const CHECKSUM = 'checksum';
const START = `{"__metadata__":{"${CHECKSUM}":"crc32:`;
const DIGITS_AT = 8 + START.length;
const DIGITS = 8;
const NO_DIGITS = '0'.repeat(DIGITS);
const FORMAT = /^crc32:[0-9a-f]{8}(?: [0-9a-f]{8})*$/;
/** From where on no other file that has metadata begins so, and how many of these bytes may be damaged. */
const OWN_AT = START.indexOf(CHECKSUM);
const MOST_DAMAGED = 8;
/** What a checksum looks like whose name, or whose own text, has been damaged. */
const REMAINS = /^crc32:|^.{0,7}[0-9a-f]{8} [0-9a-f]{8}/;
/** Another program's entry of that name. */
const FOREIGN = /^[a-z][\w-]*:(?!.*[0-9a-f]{8} [0-9a-f]{8})|^[0-9a-f]{16,128}$/i;

const CHANGED =
  'it is not as it was written: copy it again, or make it again; a program that rewrites it must leave the checksum out of its metadata';

/** The error for a file of ours that is not as it was written. */
export function changed(path: string, problem: string): UserError {
  return new UserError(`${path}: ${readable(problem)}`, CHANGED);
}

const hexOf = (crc: number): string => crc.toString(16).padStart(DIGITS, '0');

/** The metadata's entry; `stampHeader` fills in the header's own sum. */
export const checksumText = (tensors: readonly number[]): string =>
  ['crc32:'.concat(NO_DIGITS), ...tensors.map(hexOf)].join(' ');

/** Fills in the sum of a header that starts with the entry; `header` begins with its length field. */
export function stampHeader(header: Uint8Array): Uint8Array {
  header.set(new TextEncoder().encode(hexOf(crc32(header))), DIGITS_AT);
  return header;
}

/**
 * The sums of a file's tensors, in its order, as its metadata has them; undefined for files without any, as others write them.
 *
 * @param header with its length field
 * @param count tensors of the file
 * @throws UserError when header or checksum are not as they were written
 */
export function readSeal(
  path: string,
  header: Uint8Array,
  metadata: Readonly<Record<string, string>>,
  count: number,
): number[] | undefined {
  const text = metadata[CHECKSUM];
  if (text === undefined) {
    if (beginsAlmostSo(header) || Object.values(metadata).some((value) => REMAINS.test(value)))
      throw changed(path, 'the name of its checksum is damaged');
    return undefined;
  }
  if (!text.startsWith('crc32:') && FOREIGN.test(text)) return undefined;
  if (!FORMAT.test(text)) throw changed(path, 'its checksum is damaged');
  const [own, ...tensors] = text
    .slice('crc32:'.length)
    .split(' ')
    .map((hex) => Number.parseInt(hex, 16));
  if (tensors.length !== count)
    throw changed(path, `its checksum is of ${tensors.length} tensors and it has ${count}`);
  if (!isHeaderWhole(header, own!)) throw changed(path, 'the checksum of its header is wrong');
  return tensors;
}

function beginsAlmostSo(header: Uint8Array): boolean {
  let damaged = 0;
  for (let i = OWN_AT; i < START.length; i++) if (header[8 + i] !== START.charCodeAt(i)) damaged++;
  return damaged <= MOST_DAMAGED;
}

/** Whether a header, with its length field, is the one that was written. */
function isHeaderWhole(header: Uint8Array, expected: number): boolean {
  const start = new TextDecoder().decode(header.subarray(8, DIGITS_AT));
  if (start !== START) return false;
  const own = header.slice();
  own.set(new TextEncoder().encode(NO_DIGITS), DIGITS_AT);
  return crc32(own) === expected;
}
