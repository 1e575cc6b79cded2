/** Logits as cosines, and class vectors as a tensor, by hand. */
import { describe, expect, it } from 'vitest';
import { evaluate } from '../../../../engine/graph/reference.js';
import { constant } from '../../../../engine/graph/tensor.js';
import { classTensor, cosineLogits } from '../../../../models/promptkd/shared/logits.js';

describe('classTensor', () => {
  it('is a constant with a row for each class', () => {
    const vectors = Float32Array.of(1, 0, 0, 0, 0.6, 0.8);
    const tensor = classTensor({ vectors, count: 2, embed: 3 });
    expect(tensor.shape).toEqual([2, 3]);
    expect(tensor.leaf).toMatchObject({ kind: 'constant', data: vectors });
  });
});

describe('cosineLogits', () => {
  it('are the scaled products of every row with every class', () => {
    const images = constant(Float32Array.of(0, 1, 0), [1, 3]);
    const classes = classTensor({ vectors: Float32Array.of(1, 0, 0, 0, 0.5, 0.75), count: 2, embed: 3 });
    const logits = cosineLogits(images, classes, 100);
    expect(logits.shape).toEqual([1, 2]);
    expect([...evaluate([logits]).get(logits)!]).toEqual([0, 50]);
  });
});
