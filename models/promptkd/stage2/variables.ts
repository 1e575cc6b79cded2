/** What the student trains. */
import type { ClipGraph } from '../../clip/model.js';
import type { Random } from '../../random.js';
import type { ResolvedStudent } from '../shared/defaults.js';
import type { StudentVariables } from '../shared/logits.js';
import { initialProjection, projectionLeaves } from '../shared/projection.js';
import { initialPrompts, promptVariables, shapeOnlyPrompts } from '../shared/prompts.js';

/**
 * Vision prompts, the projection and, in full fine-tuning, the weights of the image encoder.
 *
 * @param embed length of the class vectors
 * @param random draws the initial values; without it the variables have shapes alone
 */
export function studentVariables(
  { config, weights }: ClipGraph,
  { train, visionDepth, visionLength, projectionLayers }: ResolvedStudent,
  embed: number,
  random?: Random,
): StudentVariables {
  const shape = { visionDepth, visionLength, textDepth: 0, textLength: 0 };
  const prompts = random
    ? promptVariables(initialPrompts(shape, config, random), config).vision
    : shapeOnlyPrompts('vision', { depth: visionDepth, length: visionLength }, config);
  const head = random && initialProjection(config.embed, embed, random, projectionLayers);
  return {
    prompts,
    projection: projectionLeaves(config.embed, embed, projectionLayers, head),
    weights: train === 'all' ? weights.all().filter(({ label }) => label.startsWith('visual.')) : [],
  };
}
