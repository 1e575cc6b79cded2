import { describe, expect, it } from 'vitest';
import { UserError } from '../../../engine/errors.js';
import { evaluate } from '../../../engine/graph/reference.js';
import { constant, input, type Tensor, variable } from '../../../engine/graph/tensor.js';
import { crossEntropy } from '../../../engine/ops/crossEntropy.js';
import { grad } from '../../../engine/train/autograd.js';
import { checkForward, checkGradient, kernelWays, TestRandom } from '../../helpers/check.js';

const labelsOf = (random: TestRandom, batch: number, classes: number): Tensor =>
  constant(
    Int32Array.from({ length: batch }, () => Math.floor(((random.next() + 1) / 2) * classes)),
    [batch],
    'labels',
  );

const sizes = [
  [1, 2],
  [2, 3],
  [3, 7],
  [7, 63],
  [65, 64],
  [4, 65],
  [3, 257],
  [2, 1000],
] as const;

describe('crossEntropy', () => {
  it('by hand', () => {
    // -log(1/4) and -log(1/2), averaged: 1.5 log 2.
    const logits = constant(Float32Array.of(0, Math.log(3), 5, 5), [2, 2]);
    const loss = crossEntropy(logits, constant(Int32Array.of(0, 1), [2]));
    expect(evaluate([loss]).get(loss)![0]).toBeCloseTo(1.5 * Math.log(2), 6);
  });

  it('agrees with the reference at every size, with logits up to 100', async () => {
    const random = new TestRandom(51);
    await checkForward(
      sizes.flatMap(([b, c]) =>
        [1, 100].map((scale) => crossEntropy(random.variable([b, c], 'x', scale), labelsOf(random, b, c))),
      ),
    );
  });

  for (const [way, capabilities] of kernelWays)
    it(`agrees forward and backward on ${way}`, async () => {
      const random = new TestRandom(54);
      for (const [b, c] of sizes) {
        const logits = random.variable([b, c], 'logits', 3);
        const loss = crossEntropy(logits, labelsOf(random, b, c));
        await checkForward([loss, ...grad(loss, [logits])], { capabilities });
      }
    });

  it('has the right gradient, upstream included', async () => {
    const random = new TestRandom(52);
    for (const [b, c] of sizes) {
      const logits = random.variable([b, c], 'logits', 3);
      await checkGradient(crossEntropy(logits, labelsOf(random, b, c)), [logits]);
    }
  });

  it('stays finite for logits far apart, for equal rows and for one class', async () => {
    const far = variable(Float32Array.of(1e4, -1e4, 0, -1e4, 1e4, 0, 7, 7, 7), [3, 3], 'logits');
    const loss = crossEntropy(far, constant(Int32Array.of(1, 1, 2), [3]));
    const one = variable(Float32Array.of(5, -5), [2, 1]);
    const nothing = crossEntropy(one, constant(Int32Array.of(0, 0), [2]));
    await checkForward([loss, ...grad(loss, [far]), nothing, ...grad(nothing, [one])]);
    expect(evaluate([loss]).get(loss)![0]).toBeCloseTo((2e4 + Math.log(3)) / 3, 6);
  });

  it('refuses labels that do not fit', () => {
    const logits = new TestRandom(53).variable([3, 5]);
    expect(() => crossEntropy(logits, input([2], 'labels', 'i32'))).toThrow(UserError);
    expect(() => crossEntropy(logits, input([3], 'labels', 'f32'))).toThrow(UserError);
    expect(() => crossEntropy(input([15]), input([15], 'labels', 'i32'))).toThrow(UserError);
  });
});
