/** JSON files with their own checksum: the field `crc32` is the CRC-32 of all other fields. */
import { UserError } from '../engine/errors.js';
import { crc32 } from './crc32.js';
import { isRecord } from './json.js';

const FIELD = 'crc32';

/** Of the text without white space: indentation may differ. */
function sumOf(fields: object): string {
  return crc32(new TextEncoder().encode(JSON.stringify(fields)))
    .toString(16)
    .padStart(8, '0');
}

/**
 * The text of a file, with the checksum as its last field. `fields` must not have one of its name.
 *
 * @throws Error when they have
 */
export function sealJson(fields: object, indent = 2): string {
  if (Object.hasOwn(fields, FIELD)) throw new Error(`the field ${FIELD} is taken`);
  return `${JSON.stringify({ ...fields, [FIELD]: sumOf(fields) }, null, indent)}\n`;
}

/**
 * The fields of a file that `sealJson` made, without the checksum.
 *
 * @param path for messages
 * @throws UserError when it is not as it was written, or has no checksum
 */
export function openSealedJson(path: string, text: string): Record<string, unknown> {
  const damaged = (problem: string) =>
    new UserError(
      `${path}: ${problem}`,
      'it is not as it was written: copy it again, or delete it to make it again',
    );
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw damaged('it is not JSON');
  }
  if (!isRecord(value)) throw damaged('it is not a JSON object');
  const { [FIELD]: found, ...fields } = value;
  if (found === undefined) throw damaged('it has no checksum');
  if (found !== sumOf(fields)) throw damaged('its checksum is wrong');
  return fields;
}
