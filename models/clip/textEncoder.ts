/** Runs the text encoder over any number of token sequences, a fixed number at a time. */
import { type Gpu, input, Plan, type Tensor, UserError, write } from '../../engine/index.js';
import type { StoredTensor } from '../../formats/tensors.js';
import type { ClipModel } from './model.js';
import { encodeText, lookUp, readTokenRows, trimTokens } from './text.js';

/** Sequences of one run: bounds the memory of large class sets without starving the GPU. */
const CHUNK = 64;

/**
 * The token table of a model that has a text tower.
 *
 * @throws UserError when it has none
 */
export function tokenTable(model: ClipModel): StoredTensor {
  if (!model.tokenTable)
    throw new UserError(
      `${model.checkpoint.path} has no token embeddings, so it cannot encode text`,
      'give the complete CLIP checkpoint',
    );
  return model.tokenTable;
}

/**
 * Text features of `sequences` (each padded to the context length), not normalised, `[count, embed]`.
 *
 * @param prompts context and deep text prompts; none for plain CLIP
 */
export async function encodeSequences(
  gpu: Gpu,
  model: ClipModel,
  sequences: readonly ArrayLike<number>[],
  prompts: readonly Tensor[] = [],
  onProgress?: (done: number, total: number) => void,
): Promise<Float32Array> {
  const reading = readTokenRows(tokenTable(model), sequences);
  // Awaited when the pipelines are compiled.
  reading.catch(() => undefined);
  const { width } = model.config.text;
  const { embed } = model.config;
  const length = trimTokens(sequences).length;
  const count = Math.min(CHUNK, sequences.length);
  const embedded = input([count, length, width], 'embedded tokens');
  const endRows = input([count], 'end-of-text rows', 'i32');
  const features = encodeText(model.weights, model.config, embedded, endRows, prompts);
  const plan = await Plan.compile(gpu, { outputs: [features] });
  const table = await reading;
  const result = new Float32Array(sequences.length * embed);
  for (let start = 0; start < sequences.length; start += count) {
    const chunk = sequences.slice(start, start + count);
    // The last chunk is filled up with its own last sequence; those rows are not kept.
    const filled = Array.from({ length: count }, (_, i) => chunk[Math.min(i, chunk.length - 1)]!);
    const batch = trimTokens(filled, length);
    write(gpu, embedded, lookUp(table, width, batch.tokens));
    write(gpu, endRows, batch.endRows);
    plan.run();
    const rows = await plan.read(features);
    result.set(rows.subarray(0, chunk.length * embed), start * embed);
    onProgress?.(start + chunk.length, sequences.length);
  }
  plan.destroy({ leaves: true });
  return result;
}
