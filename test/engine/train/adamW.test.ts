import { describe, expect, it } from 'vitest';
import { readLeaf, write } from '../../../engine/gpu/memory.js';
import { Plan } from '../../../engine/gpu/plan.js';
import { evaluate } from '../../../engine/graph/reference.js';
import { constant, input, type Tensor, variable } from '../../../engine/graph/tensor.js';
import { type AdamWOptions, adamW } from '../../../engine/train/adamW.js';
import { clipFactor, squaredNorm } from '../../../engine/train/clipGradients.js';
import { clampVariable } from '../../../engine/train/optim.js';
import { checkForward, oddSizes, relativeError, TestRandom, testGpu } from '../../helpers/check.js';

/** Runs steps on the device with the gradients given, and returns the parameter after each. */
async function run(
  start: Float32Array,
  gradients: readonly Float32Array[],
  rate: number,
  options: AdamWOptions,
) {
  const gpu = await testGpu();
  const p = variable(start, [start.length], 'p');
  const gradient = input([start.length], 'gradient');
  const rateInput = input([1], 'rate');
  const { updates } = adamW([p], [gradient], rateInput, options);
  const plan = await Plan.compile(gpu, { updates });
  write(gpu, rateInput, Float32Array.of(rate));
  const found: Float32Array[] = [];
  for (const values of gradients) {
    write(gpu, gradient, values);
    plan.run();
    found.push(await readLeaf(gpu, p));
  }
  plan.destroy();
  return found;
}

/**
 * The algorithm box of torch.optim.AdamW's documentation, line by line in float64, with the powers that our kernel
 * avoids.
 */
function pytorch(
  start: Float32Array,
  gradients: readonly Float32Array[],
  rate: number,
  { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay = 0.01 }: AdamWOptions,
): Float64Array {
  const theta = Float64Array.from(start);
  const m = new Float64Array(start.length);
  const v = new Float64Array(start.length);
  gradients.forEach((g, step) => {
    const t = step + 1;
    for (let i = 0; i < theta.length; i++) {
      theta[i] = theta[i]! - rate * weightDecay * theta[i]!;
      m[i] = beta1 * m[i]! + (1 - beta1) * g[i]!;
      v[i] = beta2 * v[i]! + (1 - beta2) * g[i]! ** 2;
      const mHat = m[i]! / (1 - beta1 ** t);
      const vHat = v[i]! / (1 - beta2 ** t);
      theta[i] = theta[i]! - (rate * mHat) / (Math.sqrt(vHat) + epsilon);
    }
  });
  return theta;
}

describe('adamW', () => {
  it('by hand', async () => {
    // Step 1: both averages are the gradient's own, so the step is its sign: 1 - 0.1 * 0.01 - 0.1.
    // Step 2: m = 0.9 * 0.05 - 0.1 * 0.25 = 0.02, c1 = 0.19; v = 0.999 * 0.00025 + 0.001 * 0.0625 = 0.00031225,
    // c2 = 0.001999; 0.899 * 0.999 - 0.1 * (0.02 / 0.19) / sqrt(0.00031225 / 0.001999) = 0.898101 - 0.0266338.
    const gradients = [Float32Array.of(0.5), Float32Array.of(-0.25)];
    const [first, second] = await run(Float32Array.of(1), gradients, 0.1, {});
    expect(first![0]).toBeCloseTo(0.899, 6);
    expect(second![0]).toBeCloseTo(0.8714672, 6);
  });

  it('by hand, with an epsilon that counts and a factor', () => {
    // The first moments, corrected, are g = factor * gradient and g²: a step of rate * g / (|g| + epsilon).
    const p = variable(Float32Array.of(1, 1), [2], 'p');
    const gradient = constant(Float32Array.of(2, -6), [2]);
    const [rate, factor] = [0.125, 0.5].map((value) => constant(Float32Array.of(value), [1]));
    for (const gate of [undefined, constant(Float32Array.of(1), [1])]) {
      const options = { epsilon: 1, weightDecay: 0, factor: factor!, ...(gate && { gate }) };
      const { updates, state } = adamW([p], [gradient], rate!, options);
      const found = evaluate([], new Map(), updates);
      const [corrections, first, second] = state.map((tensor) => found.get(tensor)!);
      for (const [i, value] of [1 - 0.125 / 2, 1 + (0.125 * 3) / 4].entries())
        expect(found.get(p)![i]).toBeCloseTo(value, 12);
      for (const [values, expected] of [
        [corrections!, [0.1, 0.001]],
        [first!, [0.1, -0.3]],
        [second!, [0.001, 0.009]],
      ] as const)
        for (const [i, value] of expected.entries()) expect(values[i]).toBeCloseTo(value, 12);
    }
  });

  it("follows PyTorch's formula over many steps, with small and large gradients", async () => {
    const random = new TestRandom(71);
    const options = { beta1: 0.9, beta2: 0.98, epsilon: 1e-6, weightDecay: 0.2 };
    for (const used of [{}, options]) {
      const start = random.array(67);
      const gradients = Array.from({ length: 30 }, (_, t) => random.array(67, 10 ** ((t % 7) - 5)));
      const found = await run(start, gradients, 3e-3, used);
      expect(relativeError(found.at(-1)!, pytorch(start, gradients, 3e-3, used))).toBeLessThan(1e-6);
    }
  });

  it('agrees with the reference at every size; only parameters that are to decay do', async () => {
    const random = new TestRandom(72);
    const parameters = oddSizes.map((n) => random.variable([n], `p${n}`));
    const gradients = oddSizes.map((n) => random.variable([n], `g${n}`));
    const rate = constant(Float32Array.of(0.01), [1]);
    const decays = ({ size }: Tensor) => size > 9;
    const factor = clipFactor(gradients, 0.5);
    const { updates, state } = adamW(parameters, gradients, rate, { decays, factor, weightDecay: 0.5 });
    expect(state.length).toBe(1 + 2 * parameters.length);
    await checkForward([factor], { updates });

    // With a gradient of zero only decay moves a parameter: by a factor of 1 - 0.01 * 0.5.
    const zeros = parameters.map(({ shape, size }) => constant(new Float32Array(size), shape));
    const still = adamW(parameters, zeros, rate, { decays, weightDecay: 0.5 });
    const after = evaluate([], new Map(), still.updates);
    for (const p of parameters) {
      const before = p.leaf!.data![0]!;
      expect(after.get(p)![0]).toBeCloseTo(p.size > 9 ? before * 0.995 : before, 7);
    }
  });
});

describe('a gate', () => {
  it('lets a step pass or changes nothing at all', async () => {
    const random = new TestRandom(74);
    for (const open of [1, 0])
      for (const clipped of [false, true]) {
        const p = random.variable([37], 'p');
        const gradient = random.variable([37], 'gradient');
        const gate = constant(Float32Array.of(open), [1]);
        const rate = constant(Float32Array.of(0.1), [1]);
        const factor = clipped ? clipFactor([gradient], 0.5) : undefined;
        const { updates, state } = adamW([p], [gradient], rate, { gate, ...(factor && { factor }) });
        const after = evaluate([], new Map(), updates);
        const changed = [p, ...state].map((x) => after.get(x)!.some((v, i) => v !== x.leaf!.data![i]));
        expect(changed).toEqual(new Array(4).fill(open === 1));
        await checkForward([], { updates });
      }
  });

  it('leaves the corrections as they are when it is closed', () => {
    const [p, gradient] = [variable(Float32Array.of(1), [1]), constant(Float32Array.of(1), [1])];
    const gate = constant(Float32Array.of(0), [1]);
    const { updates, state } = adamW([p], [gradient], gate, { gate });
    const found = evaluate([], new Map([[state[0]!, [0.25, 0.5]]]), updates.slice(0, 1));
    expect([...found.get(state[0]!)!]).toEqual([0.25, 0.5]);
  });
});

describe('clipping', () => {
  it('by hand: a length of 13 cut to 6.5, and left alone below the limit', () => {
    const gradients = [constant(Float32Array.of(3, 4), [2]), constant(Float32Array.of(12), [1, 1])];
    const [squares, half, one] = [
      squaredNorm(gradients),
      clipFactor(gradients, 6.5),
      clipFactor(gradients, 14),
    ];
    const found = evaluate([squares, half, one]);
    expect(found.get(squares)![0]).toBe(169);
    expect(found.get(half)![0]).toBeCloseTo(0.5, 6);
    expect(found.get(one)![0]).toBe(1);
  });

  it('agrees with the reference on many sizes', async () => {
    const random = new TestRandom(73);
    const tensors = [...oddSizes, 4099].map((n) => random.variable([n]));
    await checkForward([squaredNorm(tensors), clipFactor(tensors, 2), clipFactor(tensors.slice(0, 1), 2)]);
  });

  it('clamps a variable after the optimiser has moved it', async () => {
    const x = variable(Float32Array.of(-5, 0.5, 0.99), [3], 'x');
    const gradient = constant(Float32Array.of(-1, -1, -1), [3]);
    const { updates } = adamW([x], [gradient], constant(Float32Array.of(0.1), [1]), { weightDecay: 0 });
    const all = [...updates, clampVariable(x, 1)];
    const expected = evaluate([], new Map(), all).get(x)!;
    [-4.9, 0.6, 1].forEach((value, i) => {
      expect(expected[i]).toBeCloseTo(value, 6);
    });
    await checkForward([], { updates: all });
  });
});
