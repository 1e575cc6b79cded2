import { describe, expect, it } from 'vitest';
import { evaluate } from '../../../engine/graph/reference.js';
import { constant } from '../../../engine/graph/tensor.js';
import { transpose } from '../../../engine/ops/transpose.js';
import { checkGradient, oddSizes, TestRandom } from '../../helpers/check.js';

describe('transpose', () => {
  it('by hand', () => {
    const y = transpose(constant(Float32Array.of(1, 2, 3, 4, 5, 6), [2, 3]));
    expect(y.shape).toEqual([3, 2]);
    expect([...evaluate([y]).get(y)!]).toEqual([1, 4, 2, 5, 3, 6]);
  });

  it('agrees with the reference, and its gradient with differences, on odd shapes and in batches', async () => {
    const random = new TestRandom(63);
    for (const rows of oddSizes.filter((n) => n < 40)) {
      const x = random.variable([rows, 31], 'x');
      const batch = random.variable([2, 3, 5, rows], 'batch');
      await checkGradient(transpose(x), [x]);
      await checkGradient(transpose(batch), [batch]);
    }
  });

  it('refuses a vector', () => {
    expect(() => transpose(new TestRandom(64).variable([3]))).toThrow(/do not fit/);
  });
});
