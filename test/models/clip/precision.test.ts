import { describe, expect, it } from 'vitest';
import type { Capabilities } from '../../../engine/capabilities.js';
import { PORTABLE } from '../../../engine/capabilities.js';
import { activationDtype } from '../../../models/clip/precision.js';
import { TENSOR_CORES } from '../../helpers/tensorCores.js';

const single = TENSOR_CORES.subgroupMatrix.map((config) => ({ ...config, componentType: 'f32' as const }));

describe('activations under float16', () => {
  it.each<[string, Capabilities, string]>([
    ['without tensor cores', PORTABLE, 'f32'],
    ['on tensor cores for float16', TENSOR_CORES, 'f16'],
    ['on tensor cores for float32 alone', { ...TENSOR_CORES, subgroupMatrix: single }, 'f32'],
    ['on a processor that imitates tensor cores', { ...TENSOR_CORES, software: true }, 'f32'],
    ['where a lower level is asked for', { ...TENSOR_CORES, level: 'subgroups' }, 'f32'],
  ])('%s', (_, capabilities, expected) => {
    expect(activationDtype('f16', capabilities)).toBe(expected);
    expect(activationDtype('f32', capabilities)).toBe('f32');
  });
});
