import { describe, expect, it } from 'vitest';
import { topK } from '../../../../models/promptkd/use/topK.js';

describe('topK', () => {
  it('gives softmax probabilities, largest first, ties by label', () => {
    // exp(0), exp(ln 2), exp(0), exp(ln 4) over their sum of 8.
    const logits = [0, Math.log(2), 0, Math.log(4)].map((value) => value + 1000);
    const found = topK(logits, ['a', 'b', 'c', 'd'], 3);
    expect(found.map(({ className }) => className)).toEqual(['d', 'b', 'a']);
    for (const [i, share] of [4 / 8, 2 / 8, 1 / 8].entries())
      expect(found[i]!.probability).toBeCloseTo(share, 10);
    expect(topK(logits, ['a', 'b', 'c', 'd'], 9)).toHaveLength(4);
  });
});
