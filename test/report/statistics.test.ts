import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Outcome } from '../../models/promptkd/use/outcomes.js';
import { changedMost, classResults, compareOutcomes, holm, mcnemar } from '../../report/statistics.js';

const answer = (index: number, label: number, predicted: number): Outcome => ({
  ...{ index, label, predicted, within: predicted, top: [{ label: predicted, probability: 0.9 }] },
});

describe('classResults', () => {
  it('has accuracies before and after, and what changed most first', () => {
    const before = [answer(0, 0, 0), answer(1, 0, 1), answer(2, 1, 1), answer(3, 1, 1)];
    const after = [answer(0, 0, 0), answer(1, 0, 0), answer(2, 1, 0), answer(3, 1, 0)];
    const results = classResults(3, after, before);
    expect(results).toEqual([
      { label: 0, images: 2, before: 50, after: 100, change: 50 },
      { label: 1, images: 2, before: 100, after: 0, change: -100 },
      { label: 2, images: 0, before: undefined, after: undefined, change: undefined },
    ]);
    expect(changedMost(results, 5).map(({ label }) => label)).toEqual([1, 0]);
    expect(changedMost(results, 1)).toHaveLength(1);
  });
});

describe('mcnemar', () => {
  // 2 (C(n, 0) + ... + C(n, min)) / 2^n.
  it.each([
    [0, 0, 1],
    [1, 1, 1],
    [0, 1, 1],
    [0, 5, 2 / 32],
    [1, 9, (2 * (1 + 10)) / 1024],
    [3, 12, (2 * (1 + 15 + 105 + 455)) / 32768],
    [4, 6, (2 * (1 + 10 + 45 + 120 + 210)) / 1024],
    [2, 18, (2 * (1 + 20 + 190)) / 2 ** 20],
  ])('of %d and %d', (b, c, expected) => {
    expect(mcnemar(b, c)).toBeCloseTo(expected, 12);
    expect(mcnemar(c, b)).toBe(mcnemar(b, c));
  });

  it('is a probability that falls as the difference grows, for any counts', () => {
    fc.assert(
      fc.property(fc.nat(3000), fc.nat(3000), (b, c) => {
        const p = mcnemar(b, c);
        expect(p).toBeGreaterThanOrEqual(0);
        expect(p).toBeLessThanOrEqual(1);
        if (b >= c && b + c > 0) expect(mcnemar(b + 1, Math.max(0, c - 1))).toBeLessThanOrEqual(p + 1e-12);
      }),
    );
  });

  it('counts the images on which two models differ', () => {
    const first = [answer(0, 0, 0), answer(1, 0, 1), answer(2, 1, 1), answer(3, 1, 1)];
    const second = [answer(0, 0, 1), answer(1, 0, 1), answer(2, 1, 1)];
    expect(compareOutcomes(first, second)).toEqual({ onlyFirst: 1, onlySecond: 0, p: 1 });
  });
});

describe('holm', () => {
  it('multiplies the smallest by all of them, and never lets a larger one fall below it', () => {
    expect(holm([0.04, 0.01, 0.03])).toEqual([0.06, 0.03, 0.06]);
    expect(holm([0.9, 0.8])).toEqual([1, 1]);
    expect(holm([])).toEqual([]);
  });
});
