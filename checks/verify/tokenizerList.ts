/** Compares the tokenizer with a list of texts and their ids: a JSON array of `{text, ids}`. */
import * as v from 'valibot';
import { UserError } from '../../engine/index.js';
import type { Tokenizer } from '../../models/clip/tokenizer.js';
import { failed, item, type VerifyItem } from './item.js';

const Id = v.pipe(v.number(), v.integer(), v.minValue(0));

/** `ids` are padded to the context length, which is their number. */
export const TokenizerListSchema = v.pipe(
  v.array(v.object({ text: v.string(), ids: v.pipe(v.array(Id), v.minLength(2)) })),
  v.minLength(1),
);
/** Texts with the ids that they must get. */
export type TokenizerList = v.InferOutput<typeof TokenizerListSchema>;

/** One item a text, with the number of ids that differ; none may. Texts that do not fit are cut, as the list must have done. */
export function verifyTokenizer(tokenizer: Tokenizer, list: TokenizerList): VerifyItem[] {
  return list.map(({ text, ids }) => {
    const name = JSON.stringify(text);
    try {
      const found = tokenizer.tokenize(text, ids.length, { truncate: true });
      const differing = ids.filter((id, i) => found[i] !== id).length;
      return item(name, differing, 0, 'ids that differ');
    } catch (error) {
      if (error instanceof UserError) return failed(name, error.message, 0);
      throw error;
    }
  });
}
