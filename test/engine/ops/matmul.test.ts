import { describe, expect, it } from 'vitest';
import { evaluate } from '../../../engine/graph/reference.js';
import { constant } from '../../../engine/graph/tensor.js';
import { matmul } from '../../../engine/ops/matmul.js';
import { checkForward, checkGradient, layouts, TestRandom } from '../../helpers/check.js';

/** [batch, m, n, k]: ones, primes, around the tiles of 2, 4 and 8 and the vectors of 4, and around a workgroup. */
const shapes = [
  [1, 1, 1, 1],
  [1, 1, 5, 3],
  [1, 7, 1, 13],
  [3, 2, 3, 5],
  [1, 8, 8, 8],
  [1, 9, 12, 4],
  [2, 7, 9, 31],
  [1, 63, 65, 17],
  [1, 64, 64, 64],
  [1, 65, 68, 60],
  [1, 129, 131, 33],
  [2, 130, 132, 36],
] as const;

describe('matmul', () => {
  it('multiplies by hand', () => {
    const a = constant(Float32Array.of(1, 2, 3, 4, 5, 6), [2, 3]);
    const b = constant(Float32Array.of(7, 8, 9, 10, 11, 12), [3, 2]);
    const c = matmul(a, b);
    expect([...evaluate([c]).get(c)!]).toEqual([58, 64, 139, 154]);
  });

  for (const [transposeA, transposeB] of layouts)
    it(`agrees with the reference, transposed ${transposeA}, ${transposeB}`, async () => {
      const random = new TestRandom(1);
      for (const [batch, m, n, k] of shapes) {
        const a = random.variable(transposeA ? [batch, k, m] : [batch, m, k], 'a');
        const b = random.variable(transposeB ? [batch, n, k] : [batch, k, n], 'b');
        await checkForward([matmul(a, b, { transposeA, transposeB })]);
      }
    });

  for (const [transposeA, transposeB] of layouts)
    it(`agrees without subgroups too, transposed ${transposeA}, ${transposeB}`, async () => {
      const random = new TestRandom(4);
      for (const [batch, m, n, k] of shapes.slice(0, 10)) {
        const a = random.variable(transposeA ? [batch, k, m] : [batch, m, k], 'a');
        const b = random.variable(transposeB ? [batch, n, k] : [batch, k, n], 'b');
        const capabilities = { level: 'portable', software: true } as const;
        await checkForward([matmul(a, b, { transposeA, transposeB })], { capabilities });
      }
    });

  for (const [transposeA, transposeB] of layouts)
    it(`has the right gradients, transposed ${transposeA}, ${transposeB}`, async () => {
      const random = new TestRandom(2);
      for (const [batch, m, n, k] of [
        [1, 5, 7, 3],
        [2, 4, 8, 12],
      ] as const) {
        const a = random.variable(transposeA ? [batch, k, m] : [batch, m, k], 'a');
        const b = random.variable(transposeB ? [batch, n, k] : [batch, k, n], 'b');
        await checkGradient(matmul(a, b, { transposeA, transposeB }), [a, b]);
      }
    });

  it('refuses inner sizes that differ', () => {
    const random = new TestRandom(3);
    expect(() => matmul(random.variable([2, 3]), random.variable([2, 3]))).toThrow(/do not fit/);
  });
});
