/** SGD, gradient accumulation and small updates against loops in float64, and their kernels against the reference. */
import { describe, expect, it } from 'vitest';
import { evaluate } from '../../../engine/graph/reference.js';
import { constant, input, type Tensor, variable } from '../../../engine/graph/tensor.js';
import {
  accumulate,
  accumulated,
  clampVariable,
  clear,
  cosineRate,
  type SgdOptions,
  sgd,
} from '../../../engine/train/optim.js';
import { checkForward, TestRandom } from '../../helpers/check.js';

const one = (value: number) => constant(Float32Array.of(value), [1]);
const host = (leaf: Tensor) => Float64Array.from(leaf.leaf!.data!);

describe('sgd', () => {
  const options: readonly SgdOptions[] = [
    { momentum: 0, weightDecay: 0 },
    { momentum: 0.9, weightDecay: 0 },
    { momentum: 0.5, weightDecay: 0.25 },
  ];

  it.each(options)('follows PyTorch over five steps in float64: %j', ({ momentum, weightDecay }) => {
    const random = new TestRandom(1);
    const parameters = [random.variable([3, 4], 'a'), random.variable([5], 'b')];
    const gradients = parameters.map(({ shape }) => input(shape, 'gradient'));
    const rate = input([1], 'rate');
    const { updates, state } = sgd(parameters, gradients, rate, { momentum, weightDecay });
    expect(state.map(({ shape }) => shape)).toEqual(parameters.map(({ shape }) => shape));
    for (const velocity of state) expect(host(velocity).every((v) => v === 0)).toBe(true);

    const p = parameters.map(host);
    const v = parameters.map(({ size }) => new Float64Array(size));
    let values = new Map<Tensor, ArrayLike<number>>();
    for (let step = 0; step < 5; step++) {
      const learningRate = 0.1 / (step + 1);
      const given = gradients.map(({ size }) => random.array(size));
      const feeds = new Map<Tensor, ArrayLike<number>>([...values, [rate, [learningRate]]]);
      for (const [i, gradient] of gradients.entries()) feeds.set(gradient, given[i]!);
      const found = evaluate([], feeds, updates);
      for (const [i, gradient] of given.entries())
        for (let j = 0; j < gradient.length; j++) {
          const d = gradient[j]! + weightDecay * p[i]![j]!;
          v[i]![j] = momentum * v[i]![j]! + d;
          p[i]![j]! -= learningRate * v[i]![j]!;
        }
      values = new Map([...parameters, ...state].map((leaf) => [leaf, found.get(leaf)!]));
      for (const [i, parameter] of parameters.entries()) {
        for (const [j, x] of p[i]!.entries()) expect(found.get(parameter)![j]).toBeCloseTo(x, 12);
        for (const [j, x] of v[i]!.entries()) expect(found.get(state[i]!)![j]).toBeCloseTo(x, 12);
      }
    }
  });

  it.each(options)('runs on the device as by the reference, with any gate: %j', async (settings) => {
    const random = new TestRandom(2);
    for (const gate of [undefined, one(1), one(0)])
      for (const size of [1, 37, 4096]) {
        const [p, gradient] = [random.variable([size], 'p'), random.variable([size], 'gradient')];
        const { updates } = sgd([p], [gradient], one(0.1), settings, gate);
        await checkForward([], { updates });
      }
  });

  it.each([
    [0, [1, 2], [3, 4]],
    [1, [Number.NaN, Number.NaN], [Number.NaN, Number.NaN]],
  ])('lets a gradient of NaN through a gate of %d, or changes nothing', (gate, parameter, momentum) => {
    const p = variable(Float32Array.of(1, 2), [2], 'p');
    const gradient = constant(Float32Array.of(Number.NaN, Number.NaN), [2]);
    const options = { momentum: 0.9, weightDecay: 0.1 };
    const { updates, state } = sgd([p], [gradient], one(0.1), options, one(gate));
    const found = evaluate([], new Map([[state[0]!, [3, 4]]]), updates);
    expect([...found.get(p)!]).toEqual(parameter);
    expect([...found.get(state[0]!)!]).toEqual(momentum);
  });

  it('keeps a momentum that is finite beside a parameter that is NaN, unless the parameter decays', () => {
    const p = variable(Float32Array.of(Number.NaN, 1), [2], 'p');
    const gradient = constant(Float32Array.of(2, 3), [2]);
    const momentum = (weightDecay: number) => {
      const { updates, state } = sgd([p], [gradient], one(0.1), { momentum: 0.9, weightDecay });
      return [...evaluate([], new Map(), updates).get(state[0]!)!];
    };
    expect(momentum(0)).toEqual([2, 3]);
    expect(momentum(0.5)).toEqual([Number.NaN, 3.5]);
  });
});

describe('clampVariable', () => {
  it('cuts off what is larger, and nothing else', () => {
    const x = variable(Float32Array.of(-5, 0.5, 2, 3), [4], 'x');
    expect([...evaluate([], new Map(), [clampVariable(x, 2)]).get(x)!]).toEqual([-5, 0.5, 2, 2]);
  });
});

describe('accumulated gradients', () => {
  it('are the mean over the batches, until they are cleared', () => {
    const random = new TestRandom(3);
    const parameters = [random.variable([2, 3], 'a'), random.variable([4], 'b')];
    const gradients = parameters.map(({ shape }) => input(shape, 'gradient'));
    const { totals, adds } = accumulated(parameters, gradients, 4);
    expect(totals.map(({ shape }) => shape)).toEqual([[2, 3], [4]]);
    for (const total of totals) expect(host(total).every((v) => v === 0)).toBe(true);

    const sums = parameters.map(({ size }) => new Float64Array(size));
    let values = new Map<Tensor, ArrayLike<number>>();
    for (let batch = 0; batch < 4; batch++) {
      const given = gradients.map(({ size }) => random.array(size));
      for (const [i, gradient] of given.entries())
        gradient.forEach((g, j) => {
          sums[i]![j]! += g;
        });
      const feeds = new Map<Tensor, ArrayLike<number>>([
        ...values,
        ...gradients.map((leaf, i) => [leaf, given[i]!] as const),
      ]);
      const found = evaluate([], feeds, adds);
      values = new Map(totals.map((total) => [total, found.get(total)!]));
    }
    for (const [i, total] of totals.entries())
      for (const [j, sum] of sums[i]!.entries()) expect(values.get(total)![j]).toBeCloseTo(sum / 4, 12);
    const cleared = evaluate([], values, totals.map(clear));
    for (const total of totals) expect([...cleared.get(total)!].every((v) => v === 0)).toBe(true);
  });

  it('are added, cleared and clamped on the device as by the reference', async () => {
    const random = new TestRandom(4);
    for (const size of [1, 67, 4096]) {
      const [total, x] = [random.variable([size], 'total'), random.variable([size], 'x')];
      await checkForward([], { updates: [accumulate(total, x, one(-0.25))] });
      await checkForward([], { updates: [clampVariable(x, 0.125)] });
      await checkForward([], { updates: [clear(total)] });
    }
  });
});

describe('cosineRate', () => {
  const schedule = { rate: 0.005, epochs: 20, warmupEpochs: 1, warmupRate: 1e-5 };

  it('warms up at a constant rate, starts at the full one, and ends above 0', () => {
    expect(cosineRate(schedule, 1)).toBe(1e-5);
    expect(cosineRate(schedule, 2)).toBe(0.005);
    // Half of the cosine's range is over ten epochs after the first of full rate.
    expect(cosineRate(schedule, 12)).toBeCloseTo(0.0025, 12);
    expect(cosineRate(schedule, 20)).toBeCloseTo(0.0025 * (1 + Math.cos((Math.PI * 18) / 20)), 15);
    expect(cosineRate(schedule, 20)).toBeGreaterThan(0);
  });

  it('falls from the first epoch without a warm-up, and later with a longer one', () => {
    expect(cosineRate({ ...schedule, warmupEpochs: 0 }, 1)).toBe(0.005);
    expect(cosineRate({ ...schedule, warmupEpochs: 0 }, 2)).toBeLessThan(0.005);
    expect([1, 2, 3, 4].map((epoch) => cosineRate({ ...schedule, warmupEpochs: 3 }, epoch))).toEqual([
      1e-5, 1e-5, 1e-5, 0.005,
    ]);
  });
});
