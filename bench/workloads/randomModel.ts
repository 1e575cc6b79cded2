/** A CLIP of random weights on a device: what encoders and steps are timed with. */
import type { Gpu } from '../../engine/gpu/gpu.js';
import { write } from '../../engine/gpu/memory.js';
import type { ClipConfig } from '../../models/clip/config.js';
import type { ClipGraph } from '../../models/clip/model.js';
import { shapeOnlyModel } from '../../models/clip/shapeOnly.js';
import { randomWeight } from './values.js';

/** Uploads random weights of the towers asked for (default: the image encoder alone); the token table stays away. */
export function randomModel(
  gpu: Gpu,
  config: ClipConfig,
  { text = false, trainable = false } = {},
): ClipGraph {
  const model = shapeOnlyModel(config, { trainable });
  for (const leaf of model.weights.all()) {
    const { label } = leaf;
    if (label === 'token_embedding.weight' || label === 'logit_scale') continue;
    if (label.startsWith('visual.') || text) write(gpu, leaf, randomWeight(label, leaf.shape));
  }
  return model;
}
