import { describe, expect, it } from 'vitest';
import type { Capabilities } from '../../../engine/gpu.js';
import { recordingOrder } from '../../../engine/graph.js';
import { input, type Tensor } from '../../../engine/tensor.js';
import { activationsUnder } from '../../../models/clip/precision.js';
import { encodeImages } from '../../../models/clip/vision.js';
import { KNOWN_MODELS, PORTABLE, shapeOnlyModel } from '../../../models/promptkd/shapes.js';

const matrices = (componentType: 'f16' | 'f32'): Partial<Capabilities> => ({
  level: 'matrix',
  f16: true,
  subgroupMatrix: [{ componentType, resultComponentType: 'f32', M: 16, N: 16, K: 16 }],
});

describe('what float16 rounds', () => {
  it.each<[string, Partial<Capabilities>, string]>([
    ['without tensor cores', {}, 'f32'],
    ['on tensor cores for float16', matrices('f16'), 'f16'],
    ['on tensor cores for float32 alone', matrices('f32'), 'f32'],
    ['on a processor that imitates tensor cores', { ...matrices('f16'), software: true }, 'f32'],
    ['where a lower level is asked for', { ...matrices('f16'), level: 'subgroups' }, 'f32'],
  ])('%s', (_, capabilities, passed) => {
    expect(activationsUnder('f16', { ...PORTABLE, ...capabilities })).toEqual({ kept: 'f16', passed });
    expect(activationsUnder('f32', { ...PORTABLE, ...capabilities })).toEqual({ kept: 'f32', passed: 'f32' });
  });

  it('is the hidden values alone in training, and nothing where no gradient is taken', () => {
    const config = KNOWN_MODELS['ViT-B/32'];
    const rounded = (training: boolean): Tensor[] => {
      const { weights } = shapeOnlyModel(config, { precision: 'f16' });
      const features = encodeImages(weights, config, input([2, 3, 224, 224]), [], { training });
      return recordingOrder([features]).flatMap(({ outputs }) =>
        outputs.filter(({ dtype }) => dtype === 'f16'),
      );
    };
    expect(rounded(false)).toEqual([]);
    const widths = rounded(true).map(({ shape }) => shape.at(-1));
    expect(new Set(widths)).toEqual(new Set([4 * config.vision.width]));
  });
});
