import { describe, expect, test } from 'vitest';
import { type ClipConfig, expectedShapes, inferConfig } from '../../../models/clip/config.js';
import { TINY_CONFIG } from '../../helpers/tinyClip.js';

const shapesOf = (config: ClipConfig) =>
  new Map([...expectedShapes(config)].map(([name, shape]) => [name, { shape }]));
const infer = (config: ClipConfig, json?: Record<string, unknown>, metadata = {}) =>
  inferConfig({ path: 'm', tensors: shapesOf(config), metadata, ...(json && { config: json }) });

const vitB16: ClipConfig = {
  embed: 512,
  vision: { width: 768, layers: 12, heads: 12, patch: 16, resolution: 224, tokens: 197 },
  text: { width: 512, layers: 12, heads: 8, vocabulary: 49408, contextLength: 77 },
  activation: 'quickGelu',
  layerNormEps: 1e-5,
};
const vitL14At336: ClipConfig = {
  embed: 768,
  vision: { width: 1024, layers: 24, heads: 16, patch: 14, resolution: 336, tokens: 577 },
  text: { width: 768, layers: 12, heads: 12, vocabulary: 49408, contextLength: 77 },
  activation: 'quickGelu',
  layerNormEps: 1e-5,
};

test('architectures follow from shapes', () => {
  expect(infer(vitB16)).toEqual(vitB16);
  expect(infer(vitL14At336)).toEqual(vitL14At336);
  expect(infer(TINY_CONFIG as ClipConfig)).toEqual(TINY_CONFIG);
});

test('the published tensor and parameter counts of ViT-B/16', () => {
  const shapes = [...expectedShapes(vitB16).values()];
  expect(shapes.length).toBe(302);
  expect(shapes.reduce((sum, shape) => sum + shape.reduce((a, b) => a * b, 1), 0)).toBe(149_620_737);
});

test('shapes that make no CLIP', () => {
  const changed = (name: string, shape: number[]) =>
    inferConfig({ path: 'm', metadata: {}, tensors: shapesOf(vitB16).set(name, { shape }) });
  expect(() => changed('visual.positional_embedding', [196, 768])).toThrow('not a square plus one');
  expect(() => changed('visual.conv1.weight', [700, 3, 16, 16])).toThrow('not a multiple of the head size');
  expect(() => changed('visual.proj', [768])).toThrow('2 sizes are expected');
});

describe('configs beside the weights', () => {
  const huggingFace = (changes: Record<string, unknown>) => ({
    projection_dim: 512,
    vision_config: {
      hidden_size: 768,
      num_attention_heads: 12,
      patch_size: 16,
      hidden_act: 'gelu',
      ...changes,
    },
    text_config: { hidden_size: 512, vocab_size: 49408, hidden_act: 'gelu', eos_token_id: 49407, ...changes },
  });

  test('Hugging Face: activation and epsilon', () => {
    expect(infer(vitB16, huggingFace({}))).toEqual({ ...vitB16, activation: 'gelu' });
    expect(infer(vitB16, huggingFace({ layer_norm_eps: 1e-6 })).layerNormEps).toBe(1e-6);
    expect(infer(vitB16, { vision_config: {}, text_config: {} })).toEqual(vitB16);
  });

  test('open_clip: plain GELU unless it says quick_gelu', () => {
    const model = (more: object) => ({
      model_cfg: { embed_dim: 512, vision_cfg: {}, text_cfg: {}, ...more },
    });
    expect(infer(vitB16, model({})).activation).toBe('gelu');
    expect(infer(vitB16, model({ quick_gelu: true })).activation).toBe('quickGelu');
    expect(() => infer(vitB16, model({ vision_cfg: { head_width: 80 } }))).toThrow('head_width = 80');
  });

  test('our own metadata', () => {
    expect(infer(vitB16, undefined, { activation: 'gelu' }).activation).toBe('gelu');
    expect(() => infer(vitB16, undefined, { activation: 'relu' })).toThrow('"relu" is not supported');
  });

  test('what we cannot run or what disagrees is refused', () => {
    expect(() => infer(vitB16, huggingFace({ hidden_act: 'relu' }))).toThrow('"relu" is not supported');
    expect(() => infer(vitB16, huggingFace({ num_hidden_layers: 11 }))).toThrow(
      'vision_config.num_hidden_layers = 11 but the weights have 12',
    );
    expect(() => infer(vitB16, huggingFace({ eos_token_id: 7 }))).toThrow('eos_token_id = 7');
    expect(infer(vitB16, huggingFace({ eos_token_id: 2 })).embed).toBe(512);
  });
});
