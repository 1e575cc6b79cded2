import { describe, expect, it } from 'vitest';
import { Plan } from '../../../engine/gpu/plan.js';
import { evaluate } from '../../../engine/graph/reference.js';
import { constant, variable } from '../../../engine/graph/tensor.js';
import {
  type Activation,
  activationDerivative,
  activationValue,
} from '../../../engine/kernels/activations.js';
import { activation, activationGradient, gelu, quickGelu } from '../../../engine/ops/activation.js';
import { checkForward, checkGradient, oddSizes, TestRandom, testGpu } from '../../helpers/check.js';

const kinds: readonly Activation[] = ['quickGelu', 'gelu', 'relu'];

/** A fine walk over where the functions bend, then far outside. */
const walk = Float32Array.from(
  [...Array(4001).keys()].map((i) => (i - 2000) / 200).concat([-1e4, 1e4, -100, 100, -1e30, 1e30, -0, 1e-30]),
);

describe('activation', () => {
  it('known values', () => {
    const x = constant(Float32Array.of(-2, 0, 1), [3]);
    const [quick, exact] = [quickGelu(x), gelu(x)];
    const found = evaluate([quick, exact]);
    // By hand: 1 / (1 + e^-1.702) = 0.845796, -2 / (1 + e^3.404) = -0.064341
    expect([...found.get(quick)!].map((v) => +v.toFixed(6))).toEqual([-0.064341, 0, 0.845796]);
    // From tables: Phi(1) = 0.841344746068543, Phi(-2) = 0.022750131948179
    expect(found.get(exact)![0]).toBeCloseTo(-0.045500263896358, 14);
    expect(found.get(exact)![2]).toBeCloseTo(0.841344746068543, 14);
    expect([-3, 0, 3].map((v) => activationValue(v, 'relu'))).toEqual([0, 0, 3]);
    expect([-3, 0, 3].map((v) => activationDerivative(v, 'relu'))).toEqual([0, 0, 1]);
  });

  for (const kind of kinds)
    it(`${kind} is right to a few float32 roundings everywhere`, async () => {
      const x = constant(walk, [walk.length]);
      const ones = constant(new Float32Array(walk.length).fill(1), [walk.length]);
      const outputs = [activation(x, kind), activationGradient(x, ones, kind)];
      const plan = await Plan.compile(await testGpu(), { outputs }, { poison: true });
      plan.run();
      const [values, slopes] = [await plan.read(outputs[0]!), await plan.read(outputs[1]!)];
      plan.destroy();
      for (const [i, v] of walk.entries()) {
        const error = Math.abs(values[i]! - activationValue(v, kind));
        expect(error, `value at ${v}`).toBeLessThanOrEqual(
          4e-7 * Math.min(Math.abs(v), 6) + 2e-7 * Math.abs(values[i]!),
        );
        expect(Math.abs(slopes[i]! - activationDerivative(v, kind)), `slope at ${v}`).toBeLessThan(2e-6);
      }
      expect(values[walk.indexOf(-1e4)]).toBeCloseTo(0, 10);
      expect(values[walk.indexOf(1e4)]).toBe(1e4);
    });

  for (const kind of kinds)
    it(`${kind} covers every size and has the right gradient`, async () => {
      const random = new TestRandom(11);
      await checkForward([...oddSizes, 257, 1000].map((n) => activation(random.variable([n], 'x', 3), kind)));
      // Away from 0, where relu has a kink that differences would straddle.
      const x = variable(
        random.array(3 * 67, 4).map((v) => v + Math.sign(v) * 0.01),
        [3, 67],
        'x',
      );
      await checkGradient(activation(x, kind), [x]);
    });

  it('refuses a gradient of another shape', () => {
    const random = new TestRandom(12);
    expect(() => activationGradient(random.variable([3]), random.variable([4]), 'relu')).toThrow(
      /do not fit/,
    );
  });
});
