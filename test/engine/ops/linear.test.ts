import { describe, expect, it } from 'vitest';
import { Plan } from '../../../engine/gpu/plan.js';
import { evaluate } from '../../../engine/graph/reference.js';
import { constant } from '../../../engine/graph/tensor.js';
import { activation } from '../../../engine/ops/activation.js';
import { linear } from '../../../engine/ops/linear.js';
import { checkForward, checkGradient, relativeError, TestRandom, testGpu } from '../../helpers/check.js';

const activations = [undefined, 'quickGelu', 'gelu', 'relu'] as const;

describe('linear', () => {
  it('multiplies by the transposed weight and adds the bias, by hand', () => {
    const x = constant(Float32Array.of(1, 2), [1, 2]);
    const weight = constant(Float32Array.of(3, 4, 5, 6), [2, 2]);
    const y = linear(x, weight, constant(Float32Array.of(0.5, -0.5), [2]));
    expect([...evaluate([y]).get(y)!]).toEqual([11.5, 16.5]);
  });

  for (const kind of activations)
    it(`agrees with the reference on odd shapes, activation ${kind}`, async () => {
      const random = new TestRandom(1);
      for (const [m, n, k] of [
        [1, 1, 1],
        [3, 7, 5],
        [9, 64, 12],
        [41, 33, 67],
        [65, 128, 128],
      ] as const) {
        const x = random.variable([m, k], 'x');
        const weight = random.variable([n, k], 'weight');
        const bias = random.variable([n], 'bias');
        await checkForward([
          linear(x, weight, bias, { activation: kind }),
          linear(x, weight, undefined, { activation: kind }),
        ]);
      }
    });

  for (const kind of activations)
    it(`has the right gradients for input, weight and bias, activation ${kind}`, async () => {
      const random = new TestRandom(2);
      // Small weights keep ReLU's kink away from the finite differences.
      const x = random.variable([2, 3, 8], 'x');
      const weight = random.variable([5, 8], 'weight');
      const bias = random.variable([5], 'bias');
      await checkGradient(linear(x, weight, bias, { activation: kind }), [x, weight, bias], { step: 1e-6 });
    });

  it('gives the same with the activation fused as with a kernel of its own', async () => {
    const random = new TestRandom(3);
    for (const kind of ['quickGelu', 'gelu', 'relu'] as const) {
      const x = random.variable([37, 20], 'x');
      const weight = random.variable([19, 20], 'weight');
      const bias = random.variable([19], 'bias');
      const fused = linear(x, weight, bias, { activation: kind });
      const plain = activation(linear(x, weight, bias), kind);
      const plan = await Plan.compile(await testGpu(), { outputs: [fused, plain] }, { poison: true });
      plan.run();
      expect(relativeError(await plan.read(fused), await plan.read(plain))).toBeLessThan(1e-6);
    }
  });

  it('refuses a weight or bias that does not fit', () => {
    const random = new TestRandom(4);
    expect(() => linear(random.variable([2, 3]), random.variable([4, 2]))).toThrow(/do not fit/);
    expect(() => linear(random.variable([2, 3]), random.variable([4, 3]), random.variable([3]))).toThrow(
      /do not fit/,
    );
  });
});
