import { describe, expect, it } from 'vitest';
import { UserError } from '../../../engine/errors.js';
import { Plan } from '../../../engine/gpu/plan.js';
import { evaluate } from '../../../engine/graph/reference.js';
import { constant, variable } from '../../../engine/graph/tensor.js';
import { batchNorm, batchNormEval, updateRunningStatistics } from '../../../engine/ops/batchNorm.js';
import { multiply } from '../../../engine/ops/multiply.js';
import { sum } from '../../../engine/ops/reduce.js';
import { grad } from '../../../engine/train/autograd.js';
import { checkForward, checkGradient, TestRandom, testGpu } from '../../helpers/check.js';

const sizes = [
  [2, 1],
  [3, 2],
  [8, 7],
  [7, 63],
  [2, 64],
  [65, 65],
  [8, 257],
  [4, 1000],
] as const;

/** Statistics as a run has them: any mean, variances above 0. */
function statistics(random: TestRandom, n: number) {
  return [
    random.variable([n], 'running mean'),
    variable(
      random.array(n).map((v) => v + 1.5),
      [n],
      'running variance',
    ),
  ] as const;
}

describe('batchNorm', () => {
  it('by hand', () => {
    // Column (1, 3): mean 2, biased variance 1, with epsilon 3 divided by 2.
    const x = constant(Float32Array.of(1, 0, 3, 0), [2, 2]);
    const [gamma, beta] = [constant(Float32Array.of(2, 4), [2]), constant(Float32Array.of(10, 20), [2])];
    const { y, mean, variance } = batchNorm(x, gamma, beta, 3);
    const found = evaluate([y, mean, variance]);
    expect([...found.get(y)!]).toEqual([9, 20, 11, 20]);
    expect([...found.get(mean)!]).toEqual([2, 0]);
    expect([...found.get(variance)!]).toEqual([1, 0]);
  });

  it('agrees with the reference at every size', async () => {
    const random = new TestRandom(81);
    await checkForward(
      sizes.flatMap(([b, n]) => {
        const x = random.variable([b, n], 'x', 5);
        const [gamma, beta] = [random.variable([n], 'gamma'), random.variable([n], 'beta')];
        const { y, mean, variance } = batchNorm(x, gamma, beta);
        return [y, mean, variance, batchNorm(x, gamma, beta).y];
      }),
    );
  });

  it('has the right gradients', async () => {
    const random = new TestRandom(82);
    for (const [b, n] of [
      [3, 2],
      [8, 7],
      [5, 65],
      [65, 3],
    ]) {
      const x = random.variable([b!, n!]);
      const [gamma, beta] = [random.variable([n!], 'gamma'), random.variable([n!], 'beta')];
      await checkGradient(batchNorm(x, gamma, beta).y, [x, gamma, beta], { differences: 1e-4 });
      await checkGradient(batchNorm(x, gamma, beta).y, [gamma]);
    }
  });

  it('gives a bias before it no gradient, also for rows that are nearly equal', async () => {
    const random = new TestRandom(86);
    const [rows, width] = [3, 64];
    const x = variable(
      random.array(rows * width).map((v) => 5 + 0.01 * v),
      [rows, width],
    );
    const gamma = random.variable([width], 'gamma');
    const { y } = batchNorm(x, gamma, random.variable([width], 'beta'));
    const [dx] = grad(sum(multiply(y, random.variable([rows, width]))), [x]);
    const plan = await Plan.compile(await testGpu(), { outputs: [dx!] });
    plan.run();
    const found = await plan.read(dx!);
    plan.destroy();
    // Half a unit in the last place of each value, and of the largest once more for the correction.
    for (let c = 0; c < width; c++) {
      const column = [0, 1, 2].map((row) => found[row * width + c]!);
      const size = column.reduce((total, v) => total + Math.abs(v), 0);
      expect(Math.abs(column.reduce((total, v) => total + v, 0))).toBeLessThan(2 ** -23 * size);
    }
  });

  it('gives beta for columns that are constant, whatever their value', async () => {
    const random = new TestRandom(83);
    const [gamma, beta] = [random.variable([4], 'gamma'), random.variable([4], 'beta')];
    const x = variable(
      new Float32Array(28).map((_, i) => [0, 0.1, -1e4, 3e7][i % 4]!),
      [7, 4],
    );
    const { y } = batchNorm(x, gamma, beta);
    await checkForward([y, ...grad(sum(multiply(y, random.variable([7, 4]))), [x, gamma])], {
      tolerance: 1e-4,
    });
  });

  it('refuses a batch of one and shapes that do not fit', () => {
    const random = new TestRandom(84);
    const [five, six] = [random.variable([5]), random.variable([6])];
    expect(() => batchNorm(random.variable([1, 5]), five, five)).toThrow(UserError);
    expect(() => batchNorm(random.variable([2, 5]), six, five)).toThrow(UserError);
    expect(() => batchNorm(random.variable([2, 2, 5]), five, five)).toThrow(UserError);
    expect(() => batchNormEval(random.variable([2, 5]), five, five, five, six)).toThrow(UserError);
  });
});

describe('batchNormEval', () => {
  it('by hand', () => {
    const columns = [2, 10, 5, 1].map((v) => constant(Float32Array.of(v), [1]));
    // (7 - 5) / sqrt(1 + 3) * 2 + 10
    const y = batchNormEval(
      constant(Float32Array.of(7), [1, 1]),
      ...(columns as [never, never, never, never]),
      3,
    );
    expect([...evaluate([y]).get(y)!]).toEqual([12]);
  });

  it('agrees with the reference and has the right gradients', async () => {
    const random = new TestRandom(85);
    for (const [b, n] of [
      [1, 1],
      [1, 7],
      [5, 65],
      [65, 3],
    ]) {
      const x = random.variable([b!, n!], 'x', 3);
      const [gamma, beta] = [random.variable([n!], 'gamma'), random.variable([n!], 'beta')];
      const y = batchNormEval(x, gamma, beta, ...statistics(random, n!));
      await checkGradient(y, [x, gamma, beta]);
      await checkGradient(y, [x]);
    }
  });
});

describe('updateRunningStatistics', () => {
  it('stores the unbiased variance, by hand and on the device, step after step', async () => {
    const x = constant(Float32Array.of(1, 3, 2, 4, 3, 8), [3, 2]);
    const ones = constant(Float32Array.of(1, 1), [2]);
    const { y, mean, variance } = batchNorm(x, ones, ones);
    const [runningMean, runningVariance] = [
      variable(Float32Array.of(10, 0), [2], 'mean'),
      variable(Float32Array.of(1, 2), [2], 'variance'),
    ];
    const update = updateRunningStatistics(runningMean, runningVariance, mean, variance, { count: 3 });
    await checkForward([y], { updates: [update] });
    // Column means 2 and 5, unbiased variances 1 and 7.
    const found = evaluate([], new Map(), [update]);
    [9.2, 0.5].forEach((v, i) => {
      expect(found.get(runningMean)![i]).toBeCloseTo(v, 12);
    });
    [1, 2.5].forEach((v, i) => {
      expect(found.get(runningVariance)![i]).toBeCloseTo(v, 12);
    });
    // checkForward has run one step; the statistics live on the device.
    const plan = await Plan.compile(await testGpu(), { outputs: [runningMean], updates: [update] });
    plan.run();
    const second = await plan.read(runningMean);
    plan.destroy();
    expect(second[0]).toBeCloseTo(0.9 * 9.2 + 0.1 * 2, 5);
    expect(second[1]).toBeCloseTo(0.9 * 0.5 + 0.1 * 5, 5);
  });

  it('at a width beyond a workgroup and another momentum', async () => {
    const random = new TestRandom(86);
    const [gamma, beta] = [random.variable([257]), random.variable([257])];
    const { y, mean, variance } = batchNorm(random.variable([8, 257], 'x', 4), gamma, beta);
    const update = updateRunningStatistics(...statistics(random, 257), mean, variance, {
      momentum: 0.3,
      count: 8,
    });
    await checkForward([y], { updates: [update] });
  });

  it('refuses a batch of one and sizes that differ', () => {
    const random = new TestRandom(87);
    const [a, b] = [random.variable([5]), random.variable([4])];
    expect(() => updateRunningStatistics(a, a, a, a, { count: 1 })).toThrow(UserError);
    expect(() => updateRunningStatistics(a, a, b, a, { count: 8 })).toThrow(UserError);
  });
});
