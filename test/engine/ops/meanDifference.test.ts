import { describe, expect, it } from 'vitest';
import { UserError } from '../../../engine/errors.js';
import { evaluate } from '../../../engine/graph/reference.js';
import { constant, type Shape, variable } from '../../../engine/graph/tensor.js';
import { l1Mean, mseMean } from '../../../engine/ops/meanDifference.js';
import { grad } from '../../../engine/train/autograd.js';
import { checkForward, checkGradient, TestRandom } from '../../helpers/check.js';

// The last is more than 256 workgroups of 64.
const shapes: readonly Shape[] = [[1], [2], [3], [7], [63], [64], [65], [3, 257], [2, 4, 1000], [131, 131]];

describe.each([
  { name: 'l1Mean', op: l1Mean, loss: 1.5, slopes: [-0.25, 0, 0.25, -0.25] },
  { name: 'mseMean', op: mseMean, loss: 3.5, slopes: [-1, 0, 1.5, -0.5] },
])('$name', ({ op, loss: expected, slopes }) => {
  it('by hand, with slope 0 where equal', () => {
    const a = variable(Float32Array.of(1, 2, 3, 4), [2, 2]);
    const b = variable(Float32Array.of(3, 2, 0, 5), [2, 2]);
    const loss = op(a, b);
    const [da, db] = grad(loss, [a, b]);
    const found = evaluate([loss, da!, db!]);
    expect(found.get(loss)![0]).toBe(expected);
    expect([...found.get(da!)!].map((v) => v + 0)).toEqual(slopes);
    expect([...found.get(db!)!].map((v) => 0 - v)).toEqual(slopes);
  });

  it('agrees with the reference at every size', async () => {
    const random = new TestRandom(71);
    await checkForward(
      shapes.flatMap((shape) =>
        [1, 1e4].map((scale) => op(random.variable(shape, 'a', scale), random.variable(shape, 'b'))),
      ),
    );
  });

  it('has the right gradients', async () => {
    const random = new TestRandom(72);
    for (const shape of shapes.slice(0, 8)) {
      const a = random.variable(shape, 'a');
      // Nowhere nearer than the step of the differences, which would straddle the kink of |a - b|.
      const b = variable(
        (a.leaf!.data as Float32Array).map((v, i) => v + (i % 3 ? 0.3 : -0.2)),
        shape,
        'b',
      );
      await checkGradient(op(a, b), [a, b]);
      await checkGradient(op(a, b), [b]);
    }
  });

  it('gives gradient 0 on equal tensors', async () => {
    const a = new TestRandom(73).variable([5, 13]);
    const b = constant(a.leaf!.data!, a.shape);
    const loss = op(a, b);
    await checkForward([loss, ...grad(loss, [a])]);
    expect(evaluate([loss]).get(loss)![0]).toBe(0);
  });

  it('refuses shapes that differ', () => {
    const random = new TestRandom(74);
    expect(() => op(random.variable([3, 5]), random.variable([5]))).toThrow(UserError);
  });
});
