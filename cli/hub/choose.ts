/** Chooses the files of a model repository that this project reads. */
import { UserError } from '../../engine/errors.js';
import { TOKENIZER_FILES } from '../../models/clip/tokenizerFile.js';

/** Weights in one file, in order of preference. */
const WEIGHTS = [
  'model.safetensors',
  'open_clip_model.safetensors',
  'pytorch_model.bin',
  'open_clip_pytorch_model.bin',
];
/** Sharded weights: the index file and its shards; safetensors is preferred to PyTorch. */
const SHARDED = [
  { index: 'model.safetensors.index.json', shard: /^model-\d{1,5}-of-\d{1,5}\.safetensors$/ },
  { index: 'pytorch_model.bin.index.json', shard: /^pytorch_model-\d{1,5}-of-\d{1,5}\.bin$/ },
] as const;
const CONFIGS = ['config.json', 'open_clip_config.json'];

/**
 * Chooses configs, tokenizer and weights (safetensors rather than PyTorch) among the top-level files of a repository. Small
 * files come first, so that errors show early.
 *
 * @throws UserError if there are no weights or no tokenizer in a supported format
 */
export function chooseFiles(names: readonly string[], repository: string): string[] {
  const present = new Set(names);
  const shards = SHARDED.filter(({ index }) => present.has(index))
    .map(({ index, shard }) => [index, ...[...present].filter((name) => shard.test(name)).sort()])
    .find((files) => files.length > 1);
  const best = WEIGHTS.find((name) => present.has(name));
  const single = best === undefined ? [] : [best];
  const weights = best === WEIGHTS[0] || !shards ? single : shards;
  if (weights.length === 0)
    throw new UserError(
      `${repository} has no supported CLIP weights: neither ${WEIGHTS[0]} nor ${WEIGHTS.slice(1).join(', ')}`,
      'give the repository of a CLIP model, such as openai/clip-vit-base-patch16',
    );
  const tokenizer = TOKENIZER_FILES.find((name) => present.has(name));
  if (!tokenizer)
    throw new UserError(
      `${repository} has no supported tokenizer: none of ${TOKENIZER_FILES.join(', ')}`,
      'give the repository of a CLIP model, such as openai/clip-vit-base-patch16',
    );
  return [...CONFIGS.filter((name) => present.has(name)), tokenizer, ...weights];
}
