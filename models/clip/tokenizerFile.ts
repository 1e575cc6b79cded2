/** Reading a tokenizer's file, in OpenAI's and Hugging Face's form. */
import { UserError } from '../../engine/index.js';
import { isRecord, isSize, parseLimitedJson } from '../../formats/json.js';
import type { Platform } from '../platform.js';
import { Tokenizer } from './tokenizer.js';
import { BYTE_SYMBOLS, type BytePairs, END, START, vocabularyError, WORD_END } from './vocabulary.js';

/** Merges of `bpe_simple_vocab_16e6.txt` that CLIP uses: 49,152 tokens less 256 bytes and 2 special ones. */
const OPENAI_MERGES = 49152 - 256 - 2;
/** Of a file, and of what it unzips to: CLIP's own have 1 to 4 MB. */
const MAX_BYTES = 16 * 2 ** 20;
/** CLIP's vocabulary and merges have some 100,000. */
const MAX_JSON_VALUES = 2 ** 20;
/** No token table has so many rows. */
const MAX_ID = 2 ** 24;

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
  if (size > MAX_BYTES) throw vocabularyError(file, `it has ${size} bytes, too many`);
  const bytes = await platform.read(file);
  const isGzip = bytes[0] === 0x1f && bytes[1] === 0x8b;
  const text = new TextDecoder().decode(isGzip ? await unzip(platform, file, bytes) : bytes);
  return new Tokenizer(
    text.trimStart().startsWith('{') ? fromJson(text, file) : fromMergeList(text, file),
    file,
  );
}

async function unzip(platform: Platform, file: string, bytes: Uint8Array): Promise<Uint8Array> {
  try {
    return await platform.gunzip(bytes, MAX_BYTES);
  } catch (error) {
    throw error instanceof UserError ? vocabularyError(file, error.message) : error;
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
    "put the model's tokenizer.json or OpenAI's bpe_simple_vocab_16e6.txt.gz there",
  );
}

function fromMergeList(text: string, file: string): BytePairs {
  const lines = text.split('\n').slice(1, OPENAI_MERGES + 1);
  const merges = lines.filter((line) => line.length > 0).map((line) => pair(line.trimEnd().split(' '), file));
  if (merges.length === 0) throw vocabularyError(file, 'it holds no merges');
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
  const fail = (problem: string) => vocabularyError(file, `it ${problem}`);
  const json = recordOf(parseLimitedJson(text, fail, MAX_JSON_VALUES));
  const { vocab, merges, type, end_of_word_suffix: suffix } = recordOf(json.model);
  if (
    (type !== undefined && type !== 'BPE') ||
    suffix !== WORD_END ||
    !isRecord(vocab) ||
    !Array.isArray(merges)
  )
    throw vocabularyError(file, `it is not a byte-pair vocabulary with the word end "${WORD_END}"`);
  const added = json.added_tokens ?? [];
  if (!Array.isArray(added)) throw vocabularyError(file, 'its added_tokens are not a list');
  const vocabulary = new Map<string, number>();
  const add = (symbol: unknown, id: unknown) => {
    if (typeof symbol !== 'string' || !isSize(id) || id > MAX_ID)
      throw vocabularyError(file, `the token ${inWords(symbol)} has the id ${inWords(id)}`);
    vocabulary.set(symbol, id);
  };
  for (const [symbol, id] of Object.entries(vocab)) add(symbol, id);
  for (const token of added) add(recordOf(token).content, recordOf(token).id);
  return {
    vocabulary,
    merges: merges.map((merge) => pair(typeof merge === 'string' ? merge.split(' ') : merge, file)),
  };
}

const inWords = (value: unknown): string => (JSON.stringify(value) ?? 'nothing').slice(0, 60);

/** A value that is no record has no fields. */
const recordOf = (value: unknown): Record<string, unknown> => (isRecord(value) ? value : {});

function pair(parts: unknown, file: string): readonly [string, string] {
  const [left, right, ...more]: unknown[] = Array.isArray(parts) ? parts : [];
  if (typeof left !== 'string' || typeof right !== 'string' || more.length > 0)
    throw vocabularyError(file, `the merge ${inWords(parts)} is not a pair`);
  return [left, right];
}
