import { describe, expect, it } from 'vitest';
import type { Capabilities } from '../../../engine/gpu.js';
import { activationDtype } from '../../../models/clip/precision.js';
import { PORTABLE } from '../../../models/promptkd/shapes.js';

const matrices = (componentType: 'f16' | 'f32'): Partial<Capabilities> => ({
  level: 'matrix',
  f16: true,
  subgroupMatrix: [{ componentType, resultComponentType: 'f32', M: 16, N: 16, K: 16 }],
});

describe('activations under float16', () => {
  it.each<[string, Partial<Capabilities>, string]>([
    ['without tensor cores', {}, 'f32'],
    ['on tensor cores for float16', matrices('f16'), 'f16'],
    ['on tensor cores for float32 alone', matrices('f32'), 'f32'],
    ['on a processor that imitates tensor cores', { ...matrices('f16'), software: true }, 'f32'],
    ['where a lower level is asked for', { ...matrices('f16'), level: 'subgroups' }, 'f32'],
  ])('%s', (_, capabilities, expected) => {
    expect(activationDtype('f16', { ...PORTABLE, ...capabilities })).toBe(expected);
    expect(activationDtype('f32', { ...PORTABLE, ...capabilities })).toBe('f32');
  });
});
