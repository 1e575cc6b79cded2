/** Which files of a model repository this project reads. */
import { UserError } from '../../engine/errors.js';
import { TOKENIZER_FILES } from '../../models/clip/tokenizerFile.js';

/** Weights in one file, the best first. */
const WEIGHTS = [
  'model.safetensors',
  'open_clip_model.safetensors',
  'pytorch_model.bin',
  'open_clip_pytorch_model.bin',
];
/** The index of weights in several files, and the files; safetensors before PyTorch. */
const SHARDED = [
  { index: 'model.safetensors.index.json', shard: /^model-\d{1,5}-of-\d{1,5}\.safetensors$/ },
  { index: 'pytorch_model.bin.index.json', shard: /^pytorch_model-\d{1,5}-of-\d{1,5}\.bin$/ },
] as const;
const CONFIGS = ['config.json', 'open_clip_config.json'];

/**
 * Weights (safetensors before PyTorch), configs and tokenizer among the top-level files of a repository; small files
 * first, so that what is wrong shows early.
 *
 * @throws UserError when there are no weights or no tokenizer that we read
 */
export function chooseFiles(names: readonly string[], repository: string): string[] {
  const present = new Set(names);
  const shards = SHARDED.filter(({ index }) => present.has(index))
    .map(({ index, shard }) => [index, ...[...present].filter((name) => shard.test(name)).sort()])
    .find((files) => files.length > 1);
  const [best] = WEIGHTS.filter((name) => present.has(name));
  const weights = best === WEIGHTS[0] || !shards ? [best].filter(Boolean) : shards;
  if (weights.length === 0)
    throw new UserError(
      `${repository} has no CLIP weights that we read: neither model.safetensors nor ${WEIGHTS.slice(1).join(', ')}`,
      'give the repository of a CLIP model, such as openai/clip-vit-base-patch16',
    );
  const tokenizer = TOKENIZER_FILES.find((name) => present.has(name));
  if (!tokenizer)
    throw new UserError(
      `${repository} has no tokenizer that we read: none of ${TOKENIZER_FILES.join(', ')}`,
      'give the repository of a CLIP model, such as openai/clip-vit-base-patch16',
    );
  return [...CONFIGS.filter((name) => present.has(name)), tokenizer, ...weights];
}
