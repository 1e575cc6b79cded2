/** JSON out of files that may be damaged or hostile: few bytes of it can stand for much memory. */
import { fileError } from './fileErrors.js';
import type { Files } from './files.js';

/** 10,000 tensors of a safetensors header have 80,000; ViT-L/14 has 446. */
const MAX_VALUES = 125_000;
const MAX_DEPTH = 64;

/**
 * Parses JSON that has no more values and is nested no deeper than the description of a model can be.
 *
 * @param fail makes the error of a problem such as "is not JSON"
 * @throws what `fail` makes
 */
export function parseLimitedJson(
  text: string,
  fail: (problem: string) => Error = (problem) => new Error(problem),
  mostValues = MAX_VALUES,
): unknown {
  let values = 0;
  let depth = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (inString) {
      if (code === BACKSLASH) i++;
      else if (code === QUOTE) inString = false;
    } else if (code === QUOTE) inString = true;
    else if (code === COMMA) values++;
    else if (code === OPEN_LIST || code === OPEN_OBJECT) {
      values++;
      if (++depth > MAX_DEPTH) throw fail('is nested too deeply');
    } else if (code === CLOSE_LIST || code === CLOSE_OBJECT) depth--;
    if (values > mostValues) throw fail('holds too many values');
  }
  try {
    return JSON.parse(text);
  } catch {
    throw fail('is not JSON');
  }
}

/**
 * What a small JSON file holds.
 *
 * @param most in bytes, for `what` it is, such as "a config"
 * @throws UserError naming the file when it is larger or no such JSON
 */
export async function readLimitedJson(
  files: Files,
  path: string,
  most: number,
  what: string,
): Promise<unknown> {
  const size = (await files.stat(path))?.size ?? 0;
  if (size > most) throw fileError(path, `it has ${size} bytes, too many for ${what}`);
  return parseLimitedJson(await files.readText(path), (problem) => fileError(path, `it ${problem}`));
}

const [QUOTE, BACKSLASH, COMMA] = [0x22, 0x5c, 0x2c];
const [OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d];

/** Whether a value is an object with fields: neither null nor a list. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Whether a value can be a size in elements or bytes. */
export const isSize = (value: unknown): value is number =>
  Number.isSafeInteger(value) && (value as number) >= 0;

/** Whether a value is a list of sizes, such as a shape. */
export const isSizes = (value: unknown): value is number[] => Array.isArray(value) && value.every(isSize);
