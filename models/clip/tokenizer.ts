import { decodeEntity } from 'html-entities';
import { UserError } from '../../engine/errors.js';
import { isRecord, parseLimitedJson } from '../checkpoints/json.js';
import { readable } from '../checkpoints/tensors.js';
import type { Platform } from '../platform.js';

const START = '<|startoftext|>';
const END = '<|endoftext|>';
const WORD_END = '</w>';

/**
 * CLIP's pattern (github.com/openai/CLIP, clip/simple_tokenizer.py). It is applied to lower-case text, so what its
 * IGNORECASE adds is only the long s, and that U+0345, whose capital is a letter, matches nothing and is dropped.
 * JavaScript's own flag would take it for a letter.
 */
const PIECES =
  /<\|[sſ]tartoftext\|>|<\|endoftext\|>|'[sſ]|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|(?:(?!\u0345)[^\p{White_Space}\p{L}\p{N}])+/gu;

/** No context has room for more characters; merging the pairs of a long word takes time that grows with its square. */
export const MAX_TEXT = 5000;

function tooLong(text: string, tokens: string, contextLength: number): UserError {
  const start = text.length > 200 ? `${text.slice(0, 200)}...` : text;
  return new UserError(
    `the text ${JSON.stringify(start)} has ${tokens} tokens with start and end, but the context has ${contextLength}`,
    'Shorten the text or the class name.',
  );
}

/** Merges of `bpe_simple_vocab_16e6.txt` that CLIP uses: 49,152 tokens less 256 bytes and 2 special ones. */
const OPENAI_MERGES = 49152 - 256 - 2;

/** Symbols with their ids, and the pairs that merge, most frequent first. */
export interface BytePairs {
  readonly vocabulary: ReadonlyMap<string, number>;
  readonly merges: readonly (readonly [string, string])[];
}

/** CLIP's byte-pair tokenizer; it follows OpenAI's code whichever file the vocabulary comes from. */
export class Tokenizer {
  /** Highest id plus one: the rows that a token table needs. */
  readonly vocabularySize: number;
  readonly startOfText: number;
  readonly endOfText: number;
  readonly padding = 0;
  private readonly vocabulary: ReadonlyMap<string, number>;
  private readonly ranks: ReadonlyMap<string, number>;
  private readonly words = new Map<string, readonly number[]>();

  /** @throws UserError naming `file` when a symbol that the merges or bytes need has no id */
  constructor({ vocabulary, merges }: BytePairs, file = 'the vocabulary') {
    const id = (symbol: string): number => {
      const found = vocabulary.get(symbol);
      if (found === undefined) throw damaged(file, `it has no token "${symbol}"`);
      return found;
    };
    this.startOfText = id(START);
    this.endOfText = id(END);
    for (const symbol of BYTE_SYMBOLS) for (const form of [symbol, symbol + WORD_END]) id(form);
    for (const [left, right] of merges) id(left + right);
    this.vocabulary = vocabulary;
    this.vocabularySize =
      [...vocabulary.values()].reduce((highest, value) => Math.max(highest, value), 0) + 1;
    // The last of equal pairs counts, as in Python's dict(zip(merges, range)).
    this.ranks = new Map(merges.map(([left, right], rank) => [`${left} ${right}`, rank]));
  }

  /** Token ids of a text, without start, end and padding. */
  encode(text: string): number[] {
    return (cleanText(text).match(PIECES) ?? []).flatMap((piece) => this.encodePiece(piece));
  }

  /**
   * `[contextLength]` ids: start of text, the text, end of text, padding 0.
   * @param options `truncate`: as in OpenAI's `tokenize`, cuts a text that does not fit and ends it with end of text
   * @throws UserError naming the text when it does not fit and is not to be cut
   */
  tokenize(text: string, contextLength: number, { truncate = false } = {}): Int32Array {
    if (!truncate && text.length > MAX_TEXT) throw tooLong(text, 'far more', contextLength);
    let ids = [this.startOfText, ...this.encode(text), this.endOfText];
    if (truncate && ids.length > contextLength) ids = [...ids.slice(0, contextLength - 1), this.endOfText];
    if (ids.length > contextLength) throw tooLong(text, String(ids.length), contextLength);
    const row = new Int32Array(contextLength).fill(this.padding);
    row.set(ids);
    return row;
  }

  private encodePiece(piece: string): readonly number[] {
    const known = this.words.get(piece);
    if (known) return known;
    const ids =
      piece === START || piece === END
        ? [this.vocabulary.get(piece)!]
        : this.merge(byteSymbols(piece)).map((symbol) => this.vocabulary.get(symbol)!);
    this.words.set(piece, ids);
    return ids;
  }

  /** Joins the pair of the lowest rank, everywhere from left to right, until none is left. */
  private merge(symbols: string[]): string[] {
    let word = symbols;
    while (word.length > 1) {
      let best = Infinity;
      for (let i = 0; i + 1 < word.length; i++)
        best = Math.min(best, this.ranks.get(`${word[i]} ${word[i + 1]}`) ?? Infinity);
      if (best === Infinity) return word;
      const next: string[] = [];
      for (let i = 0; i < word.length; i++)
        if (i + 1 < word.length && this.ranks.get(`${word[i]} ${word[i + 1]}`) === best)
          next.push(word[i] + word[++i]);
        else next.push(word[i]);
      word = next;
    }
    return word;
  }
}

/**
 * The tokenizer of a model: `tokenizer.json` (Hugging Face) or `bpe_simple_vocab_16e6.txt.gz` (OpenAI, also unzipped),
 * told by content.
 *
 * @param path the file, or a folder that holds it
 * @throws UserError when there is none or it is not CLIP's kind
 */
export async function loadTokenizer(platform: Platform, path: string): Promise<Tokenizer> {
  const file = await findTokenizer(platform, path);
  const size = (await platform.stat(file))?.size ?? 0;
  if (size > MAX_BYTES) throw damaged(file, `it has ${size} bytes, too many`);
  const bytes = await platform.read(file);
  const isGzip = bytes[0] === 0x1f && bytes[1] === 0x8b;
  const text = new TextDecoder().decode(isGzip ? await unzip(platform, file, bytes) : bytes);
  return new Tokenizer(
    text.trimStart().startsWith('{') ? fromJson(text, file) : fromMergeList(text, file),
    file,
  );
}

/** CLIP's own have 1 to 4 MB, unzipped. */
const MAX_BYTES = 16 * 2 ** 20;

async function unzip(platform: Platform, file: string, bytes: Uint8Array): Promise<Uint8Array> {
  try {
    return await platform.gunzip(bytes, MAX_BYTES);
  } catch (error) {
    throw error instanceof UserError ? damaged(file, error.message) : error;
  }
}

/** What a model's folder may call it, the first that is there; Hugging Face's `merges.txt` is OpenAI's list. */
export const TOKENIZER_FILES = [
  'tokenizer.json',
  'bpe_simple_vocab_16e6.txt.gz',
  'bpe_simple_vocab_16e6.txt',
  'merges.txt',
] as const;

async function findTokenizer(platform: Platform, path: string): Promise<string> {
  if ((await platform.stat(path))?.kind === 'file') return path;
  for (const name of TOKENIZER_FILES) {
    const file = platform.join(path, name);
    if ((await platform.stat(file))?.kind === 'file') return file;
  }
  throw new UserError(
    `no tokenizer in ${path}`,
    "Put the model's tokenizer.json or OpenAI's bpe_simple_vocab_16e6.txt.gz there.",
  );
}

function fromMergeList(text: string, file: string): BytePairs {
  const lines = text.split('\n').slice(1, OPENAI_MERGES + 1);
  const merges = lines.filter((line) => line.length > 0).map((line) => pair(line.trimEnd().split(' '), file));
  if (merges.length === 0) throw damaged(file, 'it holds no merges');
  const symbols = [
    ...BYTE_SYMBOLS,
    ...BYTE_SYMBOLS.map((symbol) => symbol + WORD_END),
    ...merges.map(([left, right]) => left + right),
    START,
    END,
  ];
  return { vocabulary: new Map(symbols.map((symbol, id) => [symbol, id])), merges };
}

/** The parts of Hugging Face's form that we read; its normaliser and pre-tokenizer are OpenAI's in other words. */
function fromJson(text: string, file: string): BytePairs {
  const json = parseJson(text, file);
  const { vocab, merges, type, end_of_word_suffix: suffix } = recordOf(json.model);
  if (
    (type !== undefined && type !== 'BPE') ||
    suffix !== WORD_END ||
    !isRecord(vocab) ||
    !Array.isArray(merges)
  )
    throw damaged(file, `it is no byte-pair vocabulary with the word end "${WORD_END}"`);
  const added = json.added_tokens ?? [];
  if (!Array.isArray(added)) throw damaged(file, 'its added_tokens are no list');
  const vocabulary = new Map<string, number>();
  const add = (symbol: unknown, id: unknown) => {
    if (typeof symbol !== 'string' || !Number.isInteger(id) || (id as number) < 0 || (id as number) > MAX_ID)
      throw damaged(file, `the token ${inWords(symbol)} has the id ${inWords(id)}`);
    vocabulary.set(symbol, id as number);
  };
  for (const [symbol, id] of Object.entries(vocab)) add(symbol, id);
  for (const token of added) add(recordOf(token).content, recordOf(token).id);
  return {
    vocabulary,
    merges: merges.map((merge) => pair(typeof merge === 'string' ? merge.split(' ') : merge, file)),
  };
}

/** No token table has so many rows. */
const MAX_ID = 2 ** 24;

function parseJson(text: string, file: string): Record<string, unknown> {
  try {
    // Vocabulary and merges have some 100,000 values.
    return recordOf(parseLimitedJson(text, 2 ** 20));
  } catch (error) {
    throw damaged(file, `it ${(error as Error).message}`);
  }
}

const inWords = (value: unknown): string => (JSON.stringify(value) ?? 'nothing').slice(0, 60);

/** What is no record has no fields. */
const recordOf = (value: unknown): Record<string, unknown> => (isRecord(value) ? value : {});

function pair(parts: unknown, file: string): readonly [string, string] {
  if (!Array.isArray(parts) || parts.length !== 2 || !parts.every((part) => typeof part === 'string'))
    throw damaged(file, `the merge ${inWords(parts)} is no pair`);
  return [parts[0], parts[1]];
}

function damaged(file: string, problem: string): UserError {
  return new UserError(
    `${file}: ${readable(problem)}`,
    "Use the tokenizer file that came with the model, or CLIP's own.",
  );
}

/**
 * The character that stands for each byte, in the order of CLIP's vocabulary (`bytes_to_unicode`): printable bytes stand
 * for themselves and come first, the others follow as U+0100 and up.
 */
const BYTE_ORDER = byteOrder();
const BYTE_SYMBOLS: readonly string[] = BYTE_ORDER.map(([, symbol]) => symbol);
const SYMBOL_OF_BYTE: readonly string[] = [...BYTE_ORDER]
  .sort(([a], [b]) => a - b)
  .map(([, symbol]) => symbol);

function byteOrder(): [byte: number, symbol: string][] {
  const bytes = Array.from({ length: 256 }, (_, byte) => byte);
  const printable = (byte: number) => (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte !== 0xad);
  return [
    ...bytes.filter(printable).map((byte): [number, string] => [byte, String.fromCharCode(byte)]),
    ...bytes
      .filter((byte) => !printable(byte))
      .map((byte, i): [number, string] => [byte, String.fromCharCode(256 + i)]),
  ];
}

function byteSymbols(piece: string): string[] {
  const symbols = Array.from(new TextEncoder().encode(piece), (byte) => SYMBOL_OF_BYTE[byte]);
  symbols[symbols.length - 1] += WORD_END;
  return symbols;
}

/** Python's `str.strip` also takes the four separators, which its regular expressions do not count as space. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters in question
const OUTER_SPACE = /^[\p{White_Space}\x1c-\x1f]+|[\p{White_Space}\x1c-\x1f]+$/gu;

/** OpenAI's `whitespace_clean(basic_clean(text)).lower()`, with NFC in place of ftfy. */
function cleanText(text: string): string {
  return unescapeHtml(unescapeHtml(text.normalize('NFC')))
    .replace(OUTER_SPACE, '')
    .replace(/\p{White_Space}+/gu, ' ')
    .replace(OUTER_SPACE, '')
    .toLowerCase();
}

/** Python's `html.unescape`: semicolons are optional, the longest known name at the start counts. */
function unescapeHtml(text: string): string {
  return text.replace(
    /&(#[0-9]+;?|#[xX][0-9a-fA-F]+;?|[^\t\n\f <&#;]{1,32};?)/gu,
    (whole, entity: string) => {
      if (entity.startsWith('#')) return numericEntity(entity.slice(1).replace(';', ''));
      for (let length = entity.length; length > 1; length--) {
        const known = namedEntity(entity.slice(0, length));
        if (known !== undefined) return known + entity.slice(length);
      }
      return whole;
    },
  );
}

function namedEntity(name: string): string | undefined {
  // HTML 4 had other angle brackets for these two, which html-entities keeps.
  if (name === 'lang;' || name === 'rang;') return name === 'lang;' ? '\u27e8' : '\u27e9';
  const decoded = decodeEntity(`&${name}`, { level: 'html5' });
  return decoded === `&${name}` ? undefined : decoded;
}

/** Code points that HTML forbids: C1 controls are read as Windows-1252, the rest vanishes (as in Python). */
function numericEntity(digits: string): string {
  const code = /^[xX]/.test(digits) ? Number.parseInt(digits.slice(1), 16) : Number.parseInt(digits, 10);
  if (code === 0 || (code >= 0xd800 && code <= 0xdfff) || code > 0x10ffff) return '\ufffd';
  if (code >= 0x80 && code <= 0x9f) return decodeEntity(`&#${code};`);
  const isControl = code < 0x20 && ![0x09, 0x0a, 0x0c, 0x0d].includes(code);
  const isNonCharacter = (code & 0xfffe) === 0xfffe || (code >= 0xfdd0 && code <= 0xfdef);
  return isControl || code === 0x7f || isNonCharacter ? '' : String.fromCodePoint(code);
}
