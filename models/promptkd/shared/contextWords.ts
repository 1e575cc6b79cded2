/** The words in front of the class name, whose embeddings the learned context replaces. */
import type { Tokenizer } from '../../clip/tokenizer.js';

/** How class names become prompts of a tuned model. */
export interface ContextWords {
  /** With `{}` where the class name goes. */
  readonly template: string;
  /** Ids of the first words, which the learned context starts from; undefined when it starts random. */
  readonly initialTokens?: Int32Array;
}

/**
 * As the reference does: the initial words where they have at least `length` tokens, else `length` times "X" and a context that
 * starts random.
 */
export function contextWords(tokenizer: Tokenizer, init: string, length: number): ContextWords {
  const ids = tokenizer.encode(init);
  if (ids.length >= length)
    return { template: `${init} {}.`, initialTokens: Int32Array.from(ids.slice(0, length)) };
  return { template: `${Array(length).fill('X').join(' ')} {}.` };
}

/** Tokens of a name that is not known yet: those of the longest of a usual data set. */
const USUAL_NAME_TOKENS = 9;

/**
 * Tokens of the longest class prompt where names or tokenizer are not known: start, the initial words, a usual name, full stop
 * and end, within the model's context.
 */
export function usualPromptTokens(init: string, length: number, contextLength: number): number {
  const words = init.split(/\s+/).filter(Boolean).length;
  return Math.min(contextLength, Math.max(words, length) + USUAL_NAME_TOKENS + 3);
}
