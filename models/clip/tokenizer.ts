/** CLIP's tokenizer: text to token ids. */
import { UserError } from '../../engine/index.js';
import { readable } from '../../formats/fileErrors.js';
import { cleanText } from './cleanText.js';
import {
  BYTE_SYMBOLS,
  type BytePairs,
  byteSymbols,
  END,
  START,
  vocabularyError,
  WORD_END,
} from './vocabulary.js';

/**
 * CLIP's pattern (github.com/openai/CLIP, clip/simple_tokenizer.py). It is applied to lower-case text, so what its
 * IGNORECASE adds is only the long s, and that U+0345, whose capital is a letter, matches nothing and is dropped.
 * JavaScript's own flag would take it for a letter.
 */
const PIECES =
  /<\|[sſ]tartoftext\|>|<\|endoftext\|>|'[sſ]|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|(?:(?!\u0345)[^\p{White_Space}\p{L}\p{N}])+/gu;

/** No context has room for more characters; merging the pairs of a long word takes time that grows with its square. */
const MAX_TEXT = 5000;

function tooLong(
  text: string,
  tokens: number | string,
  contextLength: number,
  className?: string,
): UserError {
  const start = (of: string, most: number) => (of.length > most ? `${of.slice(0, most)}...` : of);
  const has = `has ${tokens} tokens with start and end, but the context has ${contextLength}`;
  if (className === undefined)
    return new UserError(
      `the text ${JSON.stringify(start(text, 200))} ${has}`,
      'shorten the text or the class name',
    );
  return new UserError(
    readable(`the class name "${start(className, 100)}" is too long: "${start(text, 100)}" ${has}`),
    'shorten the class name',
  );
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
      if (found === undefined) throw vocabularyError(file, `it has no token "${symbol}"`);
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
   *
   * @param options `truncate`: as in OpenAI's `tokenize`, cuts a text that does not fit and ends it with end of text;
   *   `className`: the class name in the text, which the error names
   * @throws UserError naming the text when it does not fit and is not to be cut
   */
  tokenize(
    text: string,
    contextLength: number,
    { truncate = false, className }: { truncate?: boolean; className?: string } = {},
  ): Int32Array {
    if (!truncate && text.length > MAX_TEXT) throw tooLong(text, 'far more', contextLength, className);
    let ids = [this.startOfText, ...this.encode(text), this.endOfText];
    if (truncate && ids.length > contextLength) ids = [...ids.slice(0, contextLength - 1), this.endOfText];
    if (ids.length > contextLength) throw tooLong(text, ids.length, contextLength, className);
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
          next.push(`${word[i]}${word[++i]}`);
        else next.push(word[i]!);
      word = next;
    }
    return word;
  }
}
