/** Which files of a repository are downloaded. */
import { describe, expect, it } from 'vitest';
import { chooseFiles } from '../../cli/hub/choose.js';
import { UserError } from '../../engine/errors.js';

const choose = (...names: string[]) => chooseFiles(['README.md', ...names], 'owner/name');

describe('the files of a repository', () => {
  it('are weights, configs and tokenizer', () => {
    expect(
      choose(
        'model.safetensors',
        'pytorch_model.bin',
        'tf_model.h5',
        'config.json',
        'preprocessor_config.json',
        'vocab.json',
        'merges.txt',
        'tokenizer.json',
      ),
    ).toEqual(['config.json', 'tokenizer.json', 'model.safetensors']);
  });

  it('are shards with their index if there is no single file', () => {
    const shards = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors'];
    const index = 'model.safetensors.index.json';
    expect(choose(...shards, index, 'tokenizer.json', 'pytorch_model.bin')).toEqual([
      'tokenizer.json',
      index,
      ...shards,
    ]);
    expect(choose(...shards, index, 'tokenizer.json', 'model.safetensors')).toEqual([
      'tokenizer.json',
      'model.safetensors',
    ]);
  });

  it('are PyTorch shards if there are no others', () => {
    const shards = ['pytorch_model-00001-of-00002.bin', 'pytorch_model-00002-of-00002.bin'];
    const index = 'pytorch_model.bin.index.json';
    expect(choose(...shards, index, 'tokenizer.json')).toEqual(['tokenizer.json', index, ...shards]);
  });

  it('are those of open_clip or PyTorch without a safetensors file of Hugging Face', () => {
    const both = ['open_clip_config.json', 'tokenizer.json'];
    expect(choose(...both, 'open_clip_pytorch_model.bin', 'open_clip_model.safetensors')).toEqual([
      ...both,
      'open_clip_model.safetensors',
    ]);
    expect(choose('merges.txt', 'vocab.json', 'pytorch_model.bin')).toEqual([
      'merges.txt',
      'pytorch_model.bin',
    ]);
  });

  it('must be those of a CLIP', () => {
    expect(() => choose('tokenizer.json', 'config.json')).toThrow(UserError);
    expect(() => choose('model.safetensors', 'spiece.model')).toThrow(/no supported tokenizer/);
  });
});
