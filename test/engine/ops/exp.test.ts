import { describe, expect, it } from 'vitest';
import { evaluate } from '../../../engine/graph/reference.js';
import { constant } from '../../../engine/graph/tensor.js';
import { exp } from '../../../engine/ops/exp.js';
import { multiply } from '../../../engine/ops/multiply.js';
import { checkGradient, oddSizes, TestRandom } from '../../helpers/check.js';

describe('exp', () => {
  it('by hand', () => {
    const y = exp(constant(Float32Array.of(0, 1, Math.LN2), [3]));
    const [zero, one, two] = evaluate([y]).get(y)!;
    expect(zero).toBe(1);
    expect(one).toBeCloseTo(Math.E, 12);
    expect(two).toBeCloseTo(2, 6);
  });

  it('agrees with the reference, and its gradient with differences, at every size', async () => {
    const random = new TestRandom(61);
    for (const size of oddSizes) {
      const x = random.variable([size], 'x', 3);
      await checkGradient(exp(x), [x]);
    }
  });

  it('gives a trained scale its gradient', async () => {
    const random = new TestRandom(62);
    const x = random.variable([5, 7], 'x');
    const scale = random.variable([1], 'scale');
    await checkGradient(multiply(x, exp(scale)), [x, scale]);
  });
});
