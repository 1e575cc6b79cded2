import { describe, expect, it } from 'vitest';
import { meanOverTemplates, normalizeRows } from '../../../../models/promptkd/classVectors/classVectors.js';
import {
  accuracy,
  argmax,
  baseCount,
  bestWithinHalf,
  harmonicMean,
} from '../../../../models/promptkd/shared/evaluate.js';
import { gaussianWeights } from '../../../../models/promptkd/stage1/promptAverage.js';

describe('accuracy', () => {
  // Five classes: 0, 1, 2 are base, 3, 4 novel.
  const logits = Float32Array.from(
    [
      [1, 5, 2, 9, 0], // base 1 among base; 3 among all
      [4, 1, 0, 0, 0], // base 0
      [0, 0, 9, 3, 7], // novel 4 among novel; 2 among all
      [0, 0, 0, 8, 9], // novel 4
    ].flat(),
  );

  it('predicts within base, within novel and among all', () => {
    const found = accuracy(logits, [1, 0, 4, 3], 5);
    expect(found.base).toBe(100);
    expect(found.novel).toBe(50);
    expect(found.all).toBe(25);
    expect(found.harmonicMean).toBeCloseTo((2 * 100 * 50) / 150, 12);
    expect(found.images).toEqual({ base: 2, novel: 2 });
  });

  it('leaves out what there are no images for', () => {
    const found = accuracy(logits.subarray(0, 10), [1, 0], 5);
    expect(found.novel).toBeUndefined();
    expect(found.harmonicMean).toBeUndefined();
    const other = accuracy(logits.subarray(10), [4, 3], 5);
    expect([other.base, other.harmonicMean]).toEqual([undefined, undefined]);
  });

  it('does not count images that cannot be read', () => {
    const found = accuracy(logits, [1, 0, 4, 3], 5, new Set([3]));
    expect(found).toMatchObject({ base: 100, novel: 100, images: { base: 2, novel: 1 } });
  });

  it('gives the first novel class to the novel half', () => {
    expect(bestWithinHalf([9, 0, 0, 1, 2], 3)).toBe(4);
    expect(bestWithinHalf([1, 0, 0, 1, 2], 2)).toBe(0);
  });

  it('takes the lowest class where logits are equal', () => {
    expect(argmax([1, 3, 3, 2])).toBe(1);
    expect(argmax([9, 1, 3, 3], 1, 4)).toBe(1);
  });

  it('rounds the base half up and has a harmonic mean of 0 at 0', () => {
    expect([baseCount(7), baseCount(28)]).toEqual([4, 14]);
    expect(harmonicMean(0, 0)).toBe(0);
    expect(harmonicMean(50, 50)).toBe(50);
    expect(harmonicMean(86.96, 80.73)).toBeCloseTo(83.73, 2);
  });
});

describe('gaussianWeights', () => {
  it('are those of the reference for 20 epochs, mean 15, deviation 1', () => {
    const weights = gaussianWeights(20, 15, 1);
    expect(weights.reduce((a, b) => a + b)).toBeCloseTo(1, 12);
    expect(weights[14]).toBeCloseTo(0.399, 3);
    expect(weights[13]).toBeCloseTo(0.242, 3);
    expect(weights[12]).toBeCloseTo(0.054, 3);
    expect(weights[19]).toBeCloseTo(1.5e-6, 7);
  });
});

describe('text features', () => {
  it('are averaged over templates before they are normalised', () => {
    const features = Float32Array.of(3, 0, 0, 1, /* second template */ 5, 0, 0, 3);
    const mean = meanOverTemplates(features, 2, 2);
    expect([...mean]).toEqual([4, 0, 0, 2]);
    expect([...normalizeRows(mean, 2)]).toEqual([1, 0, 0, 1]);
  });
});
