import { describe, expect, test } from 'vitest';
import { UserError } from '../../engine/errors.js';
import { openByContent } from '../../formats/openByContent.js';
import { encodeSafetensors } from '../../formats/safetensors.js';
import { loadCheckpoint } from '../../models/checkpoints/load.js';
import { memoryPlatform } from '../helpers/memoryPlatform.js';
import { tensorOf, tinyClip } from '../helpers/tinyClip.js';
import { writeTorch } from '../helpers/torchFixtures.js';

const shard = (name: string, value: number) =>
  encodeSafetensors([{ name, dtype: 'F32', shape: [1], data: Float32Array.of(value) }]);
const index = (map: unknown) => JSON.stringify({ metadata: {}, weight_map: map });
const openIndex = (map: unknown) =>
  openByContent(
    memoryPlatform({
      'f/i.json': index(map),
      'f/1.safetensors': shard('a', 1),
      'f/2.safetensors': shard('b', 2),
      'f/3.bin': writeTorch([tensorOf('c', [2])]),
    }),
    'f/i.json',
  );

describe('shards', () => {
  test('are one checkpoint', async () => {
    const { tensors, format } = await openIndex({ a: '1.safetensors', b: '2.safetensors' });
    expect(format).toBe('safetensors in 2 shards');
    expect([...(await tensors.get('b')!.read())]).toEqual([2]);
  });

  test('may be of PyTorch: each is told by its content', async () => {
    const { tensors } = await openIndex({ a: '1.safetensors', c: '3.bin' });
    expect([...(await tensors.get('a')!.read())]).toEqual([1]);
    expect([...(await tensors.get('c')!.read())]).toEqual([...tensorOf('c', [2]).data]);
  });

  test('a missing shard or tensor, a path elsewhere and an index in an index are refused', async () => {
    await expect(openIndex({ a: '3.safetensors' })).rejects.toThrow('3.safetensors is missing');
    await expect(openIndex({ b: '1.safetensors' })).rejects.toThrow('"b" is not in its shard');
    await expect(openIndex({ a: '../1.safetensors' })).rejects.toThrow('not a file name');
    await expect(openIndex({ a: 'i.json' })).rejects.toThrow('i.json, which is not a shard');
    await expect(openIndex([])).rejects.toThrow(UserError);
  });

  test('of PyTorch make a Hugging Face folder, as optimiser states beside a single file do not', async () => {
    const clip = tinyClip();
    const half = clip.length >> 1;
    const files = {
      'f/pytorch_model-00001-of-00002.bin': writeTorch(clip.slice(0, half)),
      'f/pytorch_model-00002-of-00002.bin': writeTorch(clip.slice(half)),
      'f/pytorch_model.bin.index.json': index(
        Object.fromEntries(
          clip.map(({ name }, i) => [name, `pytorch_model-0000${i < half ? 1 : 2}-of-00002.bin`]),
        ),
      ),
    };
    const sharded = await loadCheckpoint(memoryPlatform(files), 'f');
    expect(sharded.format).toBe('PyTorch state dict in 2 shards, OpenAI names');
    const beside = { 'f/optimizer.bin': shard('x', 1), 'f/training_args.bin': shard('y', 1) };
    for (const name of ['pytorch_model.bin', 'open_clip_pytorch_model.bin']) {
      const platform = memoryPlatform({ ...beside, [`f/${name}`]: writeTorch(clip) });
      const { path, tensors } = await loadCheckpoint(platform, 'f');
      expect([path, tensors.size]).toEqual([`f/${name}`, clip.length]);
    }
  });
});
