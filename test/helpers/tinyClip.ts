/** A small CLIP of one or two blocks a tower, under the names that trainers give it. */
import { crc32 } from '../../formats/crc32.js';
import { expectedShapes } from '../../models/clip/config.js';

export interface FixtureTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

const TINY = {
  embed: 8,
  vision: { width: 64, layers: 2, heads: 1, patch: 2, resolution: 4, tokens: 5 },
  text: { width: 64, layers: 1, heads: 1, vocabulary: 16, contextLength: 6 },
};
export const TINY_CONFIG = { ...TINY, activation: 'quickGelu', layerNormEps: 1e-5 };

/** Values that float16 holds exactly and that differ from tensor to tensor. */
export function tensorOf(name: string, shape: readonly number[]): FixtureTensor {
  const seed = crc32(new TextEncoder().encode(name)) % 509;
  const size = shape.reduce((product, side) => product * side, 1);
  return {
    name,
    shape,
    data: Float32Array.from({ length: size }, (_, i) => (((i + seed) * 37) % 1021) / 512 - 1),
  };
}

/** A CLIP under OpenAI's names. */
export function tinyClip(): FixtureTensor[] {
  return [...expectedShapes(TINY)].map(([name, shape]) => tensorOf(name, shape));
}

export function rename(tensors: readonly FixtureTensor[], to: (name: string) => string): FixtureTensor[] {
  return tensors.map((tensor) => ({ ...tensor, name: to(tensor.name) }));
}

/** What a PromptSRC trainer saves of it: its own names, prompts, no token table. */
export function trainerClip(): FixtureTensor[] {
  const clip = tinyClip().filter(({ name }) => name !== 'token_embedding.weight');
  return [
    ...rename(clip, (name) =>
      name === 'logit_scale'
        ? name
        : name.startsWith('visual.')
          ? name.replace('visual.', 'image_encoder.')
          : `text_encoder.${name}`,
    ),
    tensorOf('prompt_learner.ctx', [2, 64]),
    tensorOf('prompt_learner.token_prefix', [3, 1, 64]),
    tensorOf('prompt_learner.token_suffix', [3, 3, 64]),
    tensorOf('image_encoder.VPT', [3, 64]),
    tensorOf('image_encoder.transformer.resblocks.1.VPT_shallow', [3, 64]),
  ];
}

/** What the authors' PromptKD saves of a student: image encoder, prompts and projection head. */
export function studentClip(): FixtureTensor[] {
  const head = 'VPT_image_trans.conv1';
  return [
    ...trainerClip().filter(({ name }) => !/^(text_encoder|prompt_learner)/.test(name)),
    tensorOf(`${head}.0.weight`, [12, 8, 1, 1]),
    tensorOf(`${head}.0.bias`, [12]),
    ...['weight', 'bias', 'running_mean', 'running_var'].map((leaf) => tensorOf(`${head}.1.${leaf}`, [12])),
    tensorOf(`${head}.1.num_batches_tracked`, []),
    tensorOf(`${head}.3.weight`, [12, 12, 1, 1]),
    tensorOf(`${head}.3.bias`, [12]),
  ];
}
