/**
 * The names under which the authors' code saves teachers and students (docs/method.md 1.2, 3.10): the way back of
 * `checkpoints/keys.ts`.
 */

/** An OpenAI name in a trainer checkpoint; undefined for what trainers do not save. */
export function trainerKey(name: string): string | undefined {
  if (name === 'logit_scale') return name;
  if (name === 'token_embedding.weight') return undefined;
  return name.startsWith('visual.') ? name.replace('visual.', 'image_encoder.') : `text_encoder.${name}`;
}

/** A prompt of one tower; 0 is the one that enters with the input. */
export function promptKey(tower: 'text' | 'vision', depth: number): string {
  if (depth === 0) return tower === 'text' ? 'prompt_learner.ctx' : 'image_encoder.VPT';
  const encoder = tower === 'text' ? 'text_encoder' : 'image_encoder';
  return `${encoder}.transformer.resblocks.${depth}.VPT_shallow`;
}

/**
 * An entry of our projection head as the authors' `Sequential` of convolutions, BatchNorms and ReLUs numbers it:
 * `fc1` is 0, `bn` 1, `fc2` 3, and so on.
 *
 * @param name such as `fc1.weight` or `bn.mean`
 * @throws Error when no projection head has such an entry
 */
export function projectionKey(name: string): string {
  const match = /^(fc|bn)(\d*)\.(weight|bias|mean|var)$/.exec(name);
  if (!match) throw new Error(`${name} is not part of a projection`);
  const [, layer, number, leaf] = match;
  const index = 3 * (Number(number || 1) - 1) + (layer === 'bn' ? 1 : 0);
  const statistic = leaf === 'mean' || leaf === 'var' ? `running_${leaf}` : leaf;
  return `VPT_image_trans.conv1.${index}.${statistic}`;
}
