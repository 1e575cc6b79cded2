import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { evaluate } from '../../../engine/graph/reference.js';
import { constant, type Shape, variable } from '../../../engine/graph/tensor.js';
import { multiply } from '../../../engine/ops/multiply.js';
import { sum } from '../../../engine/ops/reduce.js';
import { logSoftmax, softmax } from '../../../engine/ops/softmax.js';
import { grad } from '../../../engine/train/autograd.js';
import { checkForward, checkGradient, kernelWays, TestRandom } from '../../helpers/check.js';

const shapes: readonly Shape[] = [
  [1],
  [2],
  [3, 7],
  [2, 3, 63],
  [5, 64],
  [4, 65],
  [3, 257],
  [2, 1000],
  ...fc.sample(fc.tuple(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 300 })), {
    seed: 1,
    numRuns: 3,
  }),
];

for (const [name, op] of [
  ['softmax', softmax],
  ['logSoftmax', logSoftmax],
] as const)
  describe(name, () => {
    it('agrees with the reference at every size, with logits up to 100', async () => {
      const random = new TestRandom(21);
      await checkForward(
        shapes.flatMap((shape) => [1, 100].map((scale) => op(random.variable(shape, 'x', scale)))),
      );
    });

    for (const [way, capabilities] of kernelWays)
      it(`agrees forward and backward on ${way}`, async () => {
        const random = new TestRandom(25);
        // Rows that end within a vector of four and share it, that fill vectors, that stay in registers (up to 1024) or not.
        for (const shape of [
          [1, 1],
          [4, 1],
          [3, 2],
          [8, 2],
          [8, 3],
          [5, 4],
          [4, 5],
          [6, 66],
          [12, 67],
          [7, 67],
          [4, 197],
          [3, 1024],
          [4, 1025],
          [2, 1100],
        ]) {
          const x = random.variable(shape, 'x', 5);
          const y = op(x);
          const weights = constant(random.array(y.size), y.shape);
          await checkForward([y, ...grad(sum(multiply(y, weights)), [x])], { capabilities });
        }
      });

    it('has the right gradient', async () => {
      const random = new TestRandom(22);
      for (const shape of [
        [1, 2],
        [3, 7],
        [2, 65],
        [2, 257],
      ]) {
        const x = random.variable(shape, 'x', 3);
        await checkGradient(op(x), [x]);
      }
      const x = random.variable([4, 67], 'x', 100);
      const loss = sum(multiply(op(x), random.variable([4, 67])));
      await checkForward(grad(loss, [x]), { tolerance: 1e-4 });
    });

    it('stays finite far out', async () => {
      const x = variable(Float32Array.of(1e4, -1e4, 0, -1e4, -1e4, -1e4, 3e38, 3e38, 3e38, 0, 0, 0), [4, 3]);
      const y = op(x);
      await checkForward([y, ...grad(sum(multiply(y, new TestRandom(23).variable([4, 3]))), [x])]);
    });
  });

describe('softmax by hand', () => {
  it('of logarithms is their share', () => {
    const x = constant(Float32Array.of(0, Math.log(3), 100, 100), [2, 2]);
    const [y, log] = [softmax(x), logSoftmax(x)];
    const found = evaluate([y, log]);
    expect([...found.get(y)!].map((v) => +v.toFixed(6))).toEqual([0.25, 0.75, 0.5, 0.5]);
    expect(found.get(log)![0]).toBeCloseTo(-Math.log(4), 6);
  });

  it('finds the largest element wherever it is', async () => {
    const n = 130;
    const x = constant(
      new Float32Array(n * n).map((_, i) => (i % (n + 1) === 0 ? 1000 : 0)),
      [n, n],
    );
    await checkForward([softmax(x), logSoftmax(x)]);
  });

  it('works beyond 65535 rows', async () => {
    const x = new TestRandom(24).variable([65537, 2]);
    const y = softmax(x);
    await checkForward([y, ...grad(sum(multiply(y, x)), [x])]);
  });
});
