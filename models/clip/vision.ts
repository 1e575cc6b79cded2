/** CLIP's image encoder, with prompts (docs/method.md 1.2, 4.2). */

import {
  add,
  checkpoint,
  constant,
  insertTokens,
  matmul,
  patchEmbedding,
  replaceTokens,
  reshape,
  type Tensor,
} from '../../engine/index.js';
import { block, norm } from './block.js';
import type { ClipConfig } from './config.js';
import type { Weights } from './weights.js';

/**
 * Image features, not normalised.
 *
 * Prompt 0 is appended after the patches, behind the positional embedding and before `ln_pre`; prompt i > 0 replaces
 * those tokens at the input of block i. Blocks past the last prompt keep what the block before them gave.
 *
 * @param images `[batch, 3, resolution, resolution]`, normalised
 * @param prompts one `[length, width]` a depth; none for plain CLIP
 * @returns `[batch, embed]`
 */
export function encodeImages(
  weights: Weights,
  config: ClipConfig,
  images: Tensor,
  prompts: readonly Tensor[] = [],
): Tensor {
  const { width, layers, heads, patch, tokens } = config.vision;
  const batch = images.shape[0]!;
  const patches = patchEmbedding(images, weights.get('visual.conv1.weight'), patch);
  const classToken = reshape(weights.get('visual.class_embedding'), [1, width]);
  let x = add(insertTokens(patches, 0, classToken), weights.get('visual.positional_embedding'));
  if (prompts[0]) x = insertTokens(x, tokens, prompts[0]);
  x = norm(x, weights, 'visual.ln_pre', config);
  const length = x.shape[1]!;
  const classRows = Int32Array.from({ length: batch }, (_, b) => b * length);
  const rows = constant(classRows, [batch], 'class token rows');
  for (let i = 0; i < layers; i++) {
    if (i > 0 && prompts[i]) x = replaceTokens(x, tokens, prompts[i]!);
    x = block(checkpoint(x), weights, `visual.transformer.resblocks.${i}`, config, {
      heads,
      causal: false,
      ...(i === layers - 1 && { rows }),
    });
  }
  return matmul(norm(x, weights, 'visual.ln_post', config), weights.get('visual.proj'));
}
