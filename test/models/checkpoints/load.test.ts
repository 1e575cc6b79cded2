import { describe, expect, test } from 'vitest';
import { encodeSafetensors } from '../../../formats/safetensors.js';
import { loadCheckpoint } from '../../../models/checkpoints/load.js';
import { noteOfficial } from '../../../models/checkpoints/official.js';
import { memoryPlatform } from '../../helpers/memoryPlatform.js';
import { rename, TINY_CONFIG, tensorOf, tinyClip, trainerClip } from '../../helpers/tinyClip.js';
import { writeLegacyTorch, writeTorch, writeTorchScript } from '../../helpers/torchFixtures.js';

const safetensors = (metadata = {}) =>
  encodeSafetensors(
    tinyClip().map((tensor) => ({ ...tensor, dtype: 'F16' as const })),
    metadata,
  );
const load = (files: Record<string, Uint8Array | string>, path: string) =>
  loadCheckpoint(memoryPlatform(files), path);

/** Values of every tensor, in the order of the names. */
async function allValues(files: Record<string, Uint8Array | string>, path: string) {
  const { tensors } = await load(files, path);
  const names = [...tensors.keys()].sort();
  return Promise.all(names.map(async (name) => [name, [...(await tensors.get(name)!.read())]]));
}

describe('formats are told by content', () => {
  test('all give the same tensors, whatever the name', async () => {
    const expected = await allValues({ 'm.dat': safetensors() }, 'm.dat');
    expect(expected.length).toBe(tinyClip().length);
    for (const file of [
      writeTorch(tinyClip()),
      writeTorch(tinyClip(), true),
      writeTorch(tinyClip(), false, { deflate: true }),
      writeTorch(tinyClip(), false, { wide: true }),
      writeTorchScript(tinyClip()),
      writeLegacyTorch(tinyClip()),
    ])
      expect(await allValues({ 'm.dat': file }, 'm.dat')).toEqual(expected);
  });

  test('what a checkpoint says of itself', async () => {
    const checkpoint = await load({ 'm.pt': safetensors({ made: 'here' }) }, 'm.pt');
    expect(checkpoint.format).toBe('safetensors, OpenAI names');
    expect(checkpoint.config).toEqual(TINY_CONFIG);
    expect(checkpoint.metadata).toEqual({ made: 'here' });
    expect(await checkpoint.sha256()).toMatch(/^[0-9a-f]{64}$/);
    expect(await checkpoint.officialName()).toBeUndefined();
    const trainer = await load({ 'm.tar': writeTorch(trainerClip(), true) }, 'm.tar');
    expect(trainer.format).toBe('PyTorch trainer checkpoint, PromptSRC names');
    expect(trainer.metadata).toEqual({ epoch: '20' });
    expect(trainer.prompts?.vision.length).toBe(2);
  });

  const head = (text: string) => Uint8Array.from([...text].map((c) => c.charCodeAt(0)));
  test.each([
    ['nothing', new Uint8Array(0), 'm is empty'],
    ['old PyTorch, cut off', head('\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20'), 'ends too early'],
    ['LFS', head('version https://git-lfs.github.com/spec/v1\noid'), 'Git LFS pointer'],
    ['HTML', head('<!DOCTYPE html><html>'), 'web page'],
    ['noise', head('nonsense nonsense'), 'neither safetensors nor a PyTorch'],
    ['other JSON', head('{"a": 1}           '), 'no "weight_map"'],
  ])('%s is named for what it is', async (_, file, message) => {
    await expect(load({ m: file }, 'm')).rejects.toThrow(message);
  });
});

describe('what a checkpoint may be told about itself', () => {
  const notes = async (files: Record<string, Uint8Array | string>, path: string) => {
    const said: string[] = [];
    await noteOfficial({ note: (text) => said.push(text) }, await load(files, path));
    return said;
  };

  test('open_clip without its config: the activation is a guess', async () => {
    const prefixed = writeTorch(
      rename(tinyClip(), (name) => (/^(visual|logit)/.test(name) ? name : `text.${name}`)),
    );
    expect((await notes({ 'f/m.pt': prefixed }, 'f/m.pt'))[0]).toContain('open_clip_config.json');
    const config = JSON.stringify({ model_cfg: { embed_dim: 8 } });
    expect(await notes({ 'f/m.pt': prefixed, 'f/open_clip_config.json': config }, 'f/m.pt')).toEqual([]);
    expect(await notes({ 'f/m.pt': safetensors() }, 'f/m.pt')).toEqual([]);
  });

  test('image encoders that are no ViT are named', async () => {
    const beside = (name: string) => ({ m: writeTorch([...tinyClip(), tensorOf(name, [2])]) });
    await expect(load(beside('visual.trunk.blocks.0.norm1.weight'), 'm')).rejects.toThrow('timm');
    await expect(load(beside('visual.attnpool.c_proj.bias'), 'm')).rejects.toThrow('a ResNet');
  });
});

describe('folders', () => {
  const file = safetensors();

  test('the one checkpoint in it', async () => {
    expect((await load({ 'f/model.safetensors': file, 'f/other.pt': file }, 'f')).path).toBe(
      'f/model.safetensors',
    );
    expect((await load({ 'f/x.pth.tar-20': file, 'f/notes.txt': 'x' }, 'f')).path).toBe('f/x.pth.tar-20');
    const index = JSON.stringify({
      weight_map: Object.fromEntries(tinyClip().map(({ name }) => [name, 's.safetensors'])),
    });
    const sharded = await load({ 'f/model.safetensors.index.json': index, 'f/s.safetensors': file }, 'f');
    expect(sharded.format).toBe('safetensors in 1 shards, OpenAI names');
    // The same index over another shard is another checkpoint.
    const files = { 'f/model.safetensors.index.json': index, 'f/s.safetensors': file };
    const hashes = [files, files, { ...files, 'f/s.safetensors': safetensors({ note: 'other' }) }].map(
      async (these) => (await load(these, 'f')).sha256(),
    );
    const [one, same, other] = await Promise.all(hashes);
    expect(same).toBe(one);
    expect(other).not.toBe(one);
  });

  test('none or several', async () => {
    await expect(load({ 'f/notes.txt': 'x' }, 'f')).rejects.toThrow('the folder f holds no checkpoint');
    await expect(load({ 'f/a.pt': file, 'f/b.pt': file }, 'f')).rejects.toThrow('2 checkpoints: a.pt, b.pt');
    await expect(load({}, 'f')).rejects.toThrow('f does not exist');
  });

  test('configs beside the weights count, others do not', async () => {
    const activation = async (name: string, json: unknown) =>
      (await load({ 'f/model.safetensors': file, [`f/${name}`]: JSON.stringify(json) }, 'f')).config
        .activation;
    const towers = { vision_config: { hidden_act: 'gelu' }, text_config: { hidden_act: 'gelu' } };
    expect(await activation('config.json', towers)).toBe('gelu');
    expect(await activation('open_clip_config.json', { model_cfg: { embed_dim: 8 } })).toBe('gelu');
    expect(await activation('config.json', { hidden_act: 'gelu' })).toBe('quickGelu');
    await expect(load({ 'f/m.pt': file, 'f/config.json': '{' }, 'f')).rejects.toThrow(
      'f/config.json: it is not JSON',
    );
  });
});
