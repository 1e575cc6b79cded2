/**
 * CLIP's text encoder, with prompts. Attention is causal and only the row of the end-of-text token is read, so
 * sequences are truncated after the longest one of the class set: the same numbers for a fraction of the work.
 */
import {
  add,
  checkpoint,
  constant,
  gatherRows,
  matmul,
  replaceTokens,
  type Tensor,
  UserError,
} from '../../engine/index.js';
import type { StoredTensor } from '../../formats/tensors.js';
import { block, norm } from './block.js';
import type { ClipConfig } from './config.js';
import type { Weights } from './weights.js';

/** Index of the end-of-text token of one sequence: CLIP pools at the largest id, the first where several are equal. */
export function endOfText(tokens: ArrayLike<number>): number {
  let best = 0;
  for (let i = 1; i < tokens.length; i++) if (tokens[i]! > tokens[best]!) best = i;
  return best;
}

/** Sequences cut to the longest one, as one batch. */
export interface TokenBatch {
  /** `[count, length]`, row-major. */
  readonly tokens: Int32Array;
  readonly count: number;
  readonly length: number;
  /** Row of each end-of-text token in `[count * length]`. */
  readonly endRows: Int32Array;
}

/** Truncates token sequences (each padded to the context length) after the longest end of text, or to `length`. */
export function trimTokens(sequences: readonly ArrayLike<number>[], length?: number): TokenBatch {
  const ends = sequences.map(endOfText);
  const longest = length ?? Math.max(...ends) + 1;
  const tokens = new Int32Array(sequences.length * longest);
  sequences.forEach((sequence, s) => {
    for (let i = 0; i < Math.min(longest, sequence.length); i++) tokens[s * longest + i] = sequence[i]!;
  });
  return {
    tokens,
    count: sequences.length,
    length: longest,
    endRows: Int32Array.from(ends, (end, s) => s * longest + end),
  };
}

/** Rows of the token table by their tokens. */
export type TokenRows = ReadonlyMap<number, Float32Array>;

/** Rows to read with those that are wanted, so that neighbours come in one piece; and pieces that are read at a time. */
const NEAR = 16;
const TOGETHER = 16;

/**
 * The rows that these tokens need, read where they are needed: on the host, since the table of a large model is wider than the
 * largest binding of some adapters, and from the file, since a class set uses a hundredth of it.
 *
 * @throws UserError when a token is not in the table
 */
export async function readTokenRows(
  table: StoredTensor,
  sequences: readonly ArrayLike<number>[],
): Promise<TokenRows> {
  const [vocabulary, width] = table.shape as [number, number];
  const wanted = new Uint8Array(vocabulary);
  for (const tokens of sequences)
    for (let i = 0; i < tokens.length; i++) {
      const token = tokens[i]!;
      if (token < 0 || token >= vocabulary)
        throw new UserError(
          `token id ${token} is outside the model's vocabulary of ${vocabulary}`,
          "use the tokenizer of the model's own folder",
        );
      wanted[token] = 1;
    }
  const pieces: { first: number; last: number }[] = [];
  for (let token = 0; token < vocabulary; token++) {
    if (!wanted[token]) continue;
    const piece = pieces.at(-1);
    if (piece && token - piece.last <= NEAR) piece.last = token;
    else pieces.push({ first: token, last: token });
  }
  const whole = table.readRows ? undefined : await table.read();
  const rows = new Map<number, Float32Array>();
  for (let start = 0; start < pieces.length; start += TOGETHER)
    await Promise.all(
      pieces.slice(start, start + TOGETHER).map(async ({ first, last }) => {
        const values = whole
          ? whole.subarray(first * width, (last + 1) * width)
          : await table.readRows!(first, last + 1 - first);
        for (let token = first; token <= last; token++)
          rows.set(token, values.subarray((token - first) * width, (token + 1 - first) * width));
      }),
    );
  return rows;
}

/** The row of every token, `[count, length, width]`. */
export function lookUp(rows: TokenRows, width: number, tokens: Int32Array): Float32Array {
  const embedded = new Float32Array(tokens.length * width);
  for (let i = 0; i < tokens.length; i++) embedded.set(rows.get(tokens[i]!)!, i * width);
  return embedded;
}

/** The positional embedding of a sequence that is shorter than the context. */
function firstRows(table: Tensor, count: number): Tensor {
  if (count === table.shape[0]) return table;
  const rows = Int32Array.from({ length: count }, (_, i) => i);
  return gatherRows(table, constant(rows, [count], 'positions'));
}

/**
 * Text features, not normalised.
 *
 * Prompt 0 (the context) takes the places 1..n behind the start of text; prompt i > 0 replaces those tokens at the
 * input of block i and gets no positional embedding.
 *
 * @param embedded token embeddings `[count, length, width]`, without positions
 * @param endRows int32 `[count]`: rows of the end-of-text tokens in `[count * length]`
 * @param prompts one `[n, width]` a depth; none for plain CLIP
 * @returns `[count, embed]`
 */
export function encodeText(
  weights: Weights,
  config: ClipConfig,
  embedded: Tensor,
  endRows: Tensor,
  prompts: readonly Tensor[] = [],
): Tensor {
  const { layers, heads } = config.text;
  const length = embedded.shape[1]!;
  let x = prompts[0] ? replaceTokens(embedded, 1, prompts[0]) : embedded;
  x = add(x, firstRows(weights.get('positional_embedding'), length));
  for (let i = 0; i < layers; i++) {
    if (i > 0 && prompts[i]) x = replaceTokens(x, 1, prompts[i]!);
    x = block(checkpoint(x), weights, `transformer.resblocks.${i}`, config, {
      heads,
      causal: true,
      ...(i === layers - 1 && { rows: endRows }),
    });
  }
  return matmul(norm(x, weights, 'ln_final', config), weights.get('text_projection'));
}
