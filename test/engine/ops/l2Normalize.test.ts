import { describe, expect, it } from 'vitest';
import { evaluate } from '../../../engine/graph/reference.js';
import { constant, type Shape } from '../../../engine/graph/tensor.js';
import { l2Normalize } from '../../../engine/ops/l2Normalize.js';
import { multiply } from '../../../engine/ops/multiply.js';
import { sum } from '../../../engine/ops/reduce.js';
import { grad } from '../../../engine/train/autograd.js';
import { checkForward, checkGradient, TestRandom } from '../../helpers/check.js';

const shapes: readonly Shape[] = [
  [1],
  [3, 1],
  [5, 2],
  [2, 3],
  [3, 7],
  [2, 2, 63],
  [5, 64],
  [4, 65],
  [3, 257],
  [2, 1000],
];

describe('l2Normalize', () => {
  it('by hand', () => {
    const y = l2Normalize(constant(Float32Array.of(3, 4, 0, -2), [2, 2]));
    expect([...evaluate([y]).get(y)!]).toEqual([0.6, 0.8, 0, -1]);
  });

  it('agrees with the reference at every size, for tiny and large values', async () => {
    const random = new TestRandom(31);
    await checkForward(
      shapes.flatMap((shape) =>
        [1e-4, 1, 1e4].map((scale) => l2Normalize(random.variable(shape, 'x', scale))),
      ),
    );
  });

  it('works beyond 65535 rows', async () => {
    const random = new TestRandom(33);
    const x = random.variable([65537, 3]);
    const y = l2Normalize(x);
    await checkForward([y, ...grad(sum(multiply(y, random.variable([65537, 3]))), [x])], { tolerance: 1e-4 });
  });

  it('has the right gradient', async () => {
    const random = new TestRandom(32);
    for (const shape of [
      [1, 2],
      [3, 7],
      [2, 65],
      [2, 257],
    ]) {
      const x = random.variable(shape);
      await checkGradient(l2Normalize(x), [x]);
    }
    const x = random.variable([3, 129], 'x', 1e4);
    await checkForward(grad(sum(multiply(l2Normalize(x), random.variable([3, 129], 'w', 1e4))), [x]));
  });
});
