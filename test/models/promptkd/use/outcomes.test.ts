import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { accuracy } from '../../../../models/promptkd/shared/evaluate.js';
import { type Outcome, outcomesOf } from '../../../../models/promptkd/use/outcomes.js';
import { topK } from '../../../../models/promptkd/use/topK.js';
import { confusions } from '../../../../report/statistics.js';

const logits = fc.record({
  classes: fc.integer({ min: 2, max: 7 }),
  images: fc.integer({ min: 1, max: 12 }),
  seed: fc.array(fc.integer({ min: -40, max: 40 }), { minLength: 84, maxLength: 84 }),
});

describe('outcomesOf', () => {
  it('agrees with the accuracies and with the most likely classes', () => {
    fc.assert(
      fc.property(logits, ({ classes, images, seed }) => {
        const rows = Float32Array.from({ length: images * classes }, (_, i) => seed[i % seed.length]! / 4);
        const labels = Array.from({ length: images }, (_, i) => i % classes);
        const outcomes = outcomesOf(rows, labels, classes);
        const { all, base, images: counts } = accuracy(rows, labels, classes);
        const right = (some: readonly Outcome[], field: 'predicted' | 'within') =>
          some.filter((one) => one[field] === one.label).length;
        expect((100 * right(outcomes, 'predicted')) / images).toBe(all);
        const half = outcomes.filter(({ label }) => label < Math.ceil(classes / 2));
        expect((100 * right(half, 'within')) / counts.base).toBe(base);
        const names = labels.map(String);
        outcomes.forEach(({ top, index }) => {
          const expected = topK(
            rows.subarray(index * classes, (index + 1) * classes),
            [...names, ...'abcdefg'],
            3,
          );
          expect(top.map(({ probability }) => probability)).toEqual(
            expected.map(({ probability }) => expect.closeTo(probability, 6) as number),
          );
        });
        // Every image is in one cell of the confusion matrix.
        const cells = confusions(outcomes);
        expect(cells.reduce((sum, cell) => sum + cell.images, 0)).toBe(images);
      }),
    );
  });

  it('leaves out images that are missing', () => {
    expect(outcomesOf(Float32Array.of(1, 0, Number.NaN, Number.NaN), [0, 1], 2, new Set([1]))).toHaveLength(
      1,
    );
  });
});
