/** The symbols of CLIP's byte-pair vocabulary. */
import type { UserError } from '../../engine/index.js';
import { fileError } from '../../formats/fileErrors.js';

/** The special token that begins a text. */
export const START = '<|startoftext|>';
/** The special token that ends it. */
export const END = '<|endoftext|>';
/** Ends the last symbol of a word. */
export const WORD_END = '</w>';

/** Symbols with their ids, and the pairs that merge, most frequent first. */
export interface BytePairs {
  readonly vocabulary: ReadonlyMap<string, number>;
  readonly merges: readonly (readonly [string, string])[];
}

const BYTES = Array.from({ length: 256 }, (_, byte) => byte);
const isPrintable = (byte: number) => (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte !== 0xad);

/** The character that stands for each byte (`bytes_to_unicode`): printable ones for themselves, the others U+0100 and up. */
const SYMBOL_OF_BYTE = BYTES.map((byte) => {
  const before = BYTES.filter((other) => other < byte && !isPrintable(other)).length;
  return String.fromCharCode(isPrintable(byte) ? byte : 256 + before);
});

/** These characters in the order of CLIP's vocabulary: printable bytes come first. */
export const BYTE_SYMBOLS: readonly string[] = [
  ...BYTES.filter(isPrintable),
  ...BYTES.filter((byte) => !isPrintable(byte)),
].map((byte) => SYMBOL_OF_BYTE[byte]!);

/** The symbols of the bytes of a word, the last with `WORD_END`. */
export function byteSymbols(word: string): string[] {
  const symbols = Array.from(new TextEncoder().encode(word), (byte) => SYMBOL_OF_BYTE[byte]!);
  symbols[symbols.length - 1] += WORD_END;
  return symbols;
}

/** The error for a vocabulary that is not CLIP's kind. */
export const vocabularyError = (file: string, problem: string): UserError =>
  fileError(file, problem, "use the tokenizer file that came with the model, or CLIP's own");
