/** Numbers to measure with: the same everywhere, and no two rows or operands alike. */
import { expect, it } from 'vitest';
import {
  PATTERN,
  randomHalfWeight,
  randomWeight,
  seededHalves,
  seededValues,
  seedOf,
} from '../../bench/workloads/values.js';
import { toHalf } from '../../engine/half.js';
import { KNOWN_MODELS } from '../../models/clip/knownModels.js';

it('gives the same values for the same seed in every process', () => {
  // As written down when this was made.
  expect([...seededValues(1, 3)]).toEqual(FIRST);
  expect([...seededValues(1, 70_000).subarray(0, 3)]).toEqual(FIRST);
  expect([...seededValues(2, 3)]).not.toEqual(FIRST);
});
const FIRST = [-0.4713016450405121, -0.8283671736717224, -0.8734198212623596];

it('is uniform, within its scale', () => {
  const values = seededValues(7, PATTERN, 2);
  const mean = values.reduce((sum, v) => sum + v, 0) / PATTERN;
  const square = values.reduce((sum, v) => sum + v * v, 0) / PATTERN;
  expect(Math.abs(mean)).toBeLessThan(0.02);
  expect(Math.abs(square - 4 / 3)).toBeLessThan(0.02);
  expect(values.every((v) => v >= -2 && v < 2)).toBe(true);
  expect(new Set(values).size).toBeGreaterThan(PATTERN * 0.99);
});

it('has no two rows alike, at the widths of our models and of images', () => {
  const widths = Object.values(KNOWN_MODELS).flatMap(({ vision, text, embed }) => [
    ...[vision.width, 3 * vision.width, 4 * vision.width, vision.patch ** 2 * 3],
    ...[text.width, 3 * text.width, 4 * text.width, embed, vision.resolution, 64],
  ]);
  for (const width of new Set(widths)) {
    const values = seededValues(3, 4096 * width);
    const starts = new Set<number>();
    for (let row = 0; row < 4096; row++) starts.add(values[row * width]! + 10 * values[row * width + 1]!);
    expect(starts.size, `rows of ${width}`).toBeGreaterThan(4080);
  }
});

it('gives neighbouring seeds other values, not the same a place further', () => {
  const [a, b] = [seededValues(1, 1000), seededValues(2, 1000)];
  const product = a.reduce((sum, v, i) => sum + v * b[i]!, 0) / 1000;
  expect(Math.abs(product)).toBeLessThan(0.05);
  expect(a.subarray(0, 990).some((v) => b.includes(v))).toBe(false);
});

it('rounds halves as they are rounded elsewhere', () => {
  const shape = [300, 256];
  for (const name of ['visual.conv1.weight', 'visual.proj', 'x.ln_1.weight', 'x.bias'])
    expect(randomHalfWeight(name, shape)).toEqual(toHalf(randomWeight(name, shape)));
  expect(seededHalves(5, 100_000, 3)).toEqual(toHalf(seededValues(5, 100_000, 3)));
});

it('makes weights by their fan-in', () => {
  const largest = (values: Float32Array) => values.reduce((max, v) => Math.max(max, Math.abs(v)), 0);
  expect(largest(randomWeight('a.mlp.c_fc.weight', [4096, 1024]))).toBeCloseTo(Math.sqrt(3 / 1024), 4);
  expect(largest(randomWeight('visual.proj', [1024, 768]))).toBeCloseTo(Math.sqrt(3 / 1024), 4);
  expect([...randomWeight('logit_scale', [])]).toEqual([Math.fround(Math.log(100))]);
  expect(Math.abs(randomWeight('a.ln_1.weight', [1024])[5]! - 1)).toBeLessThan(0.1);
  expect(seedOf('a')).not.toBe(seedOf('b'));
});
