/** What stage 1's step reads of its classes, with values. */
import { constant } from '../../../engine/index.js';
import type { ClipModel } from '../../clip/model.js';
import { PROMPTSRC_TEMPLATES } from '../../clip/templates.js';
import { lookUp, readTokenRows, trimTokens } from '../../clip/text.js';
import { encodeSequences, tokenTable } from '../../clip/textEncoder.js';
import type { Job } from '../../job.js';
import { meanOverTemplates } from '../classVectors/classVectors.js';
import type { ClassInputs } from './step.js';

/** The token embeddings of a model, `[tokens, text width]`. */
export const embedTokens = async (model: ClipModel, tokens: Int32Array): Promise<Float32Array> =>
  lookUp(await readTokenRows(tokenTable(model), [tokens]), model.config.text.width, tokens);

/**
 * Leaves of the classes' prompts, as constants.
 *
 * @param classTokens one padded token sequence a class: "{init} {class}."
 * @param frozenText mean over the templates of the frozen text features, not normalised, `[classes, embed]`; for PromptSRC
 */
export async function classInputs(
  model: ClipModel,
  classTokens: readonly ArrayLike<number>[],
  frozenText?: Float32Array,
): Promise<ClassInputs> {
  const { embed, text } = model.config;
  const { tokens, endRows, count, length } = trimTokens(classTokens);
  const rows = await embedTokens(model, tokens);
  return {
    embedded: constant(rows, [count, length, text.width], 'embedded classes'),
    endRows: constant(endRows, [count], 'end-of-text rows'),
    ...(frozenText && { frozenText: constant(frozenText, [count, embed], 'frozen text features') }),
  };
}

/**
 * Mean over PromptSRC's templates of the frozen text features, not normalised, `[classes, embed]`.
 *
 * @param sequences padded prompts, template by template
 */
export async function meanTemplateFeatures(
  { gpu, begin }: Pick<Job, 'gpu' | 'begin'>,
  model: ClipModel,
  sequences: readonly ArrayLike<number>[],
): Promise<Float32Array> {
  const bar = begin('frozen text features', sequences.length);
  const features = await encodeSequences(gpu, model, sequences, [], (done) => bar.update(done));
  bar.end();
  return meanOverTemplates(features, PROMPTSRC_TEMPLATES.length, model.config.embed);
}
