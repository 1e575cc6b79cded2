import { describe, expect, it } from 'vitest';
import { releaseAll, write } from '../../../../engine/gpu/memory.js';
import type { ResolvedTeacher } from '../../../../models/promptkd/shared/defaults.js';
import { gaussianWeights, PromptAverage } from '../../../../models/promptkd/stage1/promptAverage.js';
import { TestRandom, testGpu } from '../../../helpers/check.js';

describe('gaussianWeights', () => {
  it('are those of PromptSRC for 20 epochs around the 15th', () => {
    const weights = gaussianWeights(20, 15, 1);
    expect(weights).toHaveLength(20);
    const of = (epoch: number) => weights[epoch - 1]!;
    expect(of(15)).toBeCloseTo(0.399, 3);
    for (const epoch of [14, 16]) expect(of(epoch)).toBeCloseTo(0.242, 3);
    for (const epoch of [13, 17]) expect(of(epoch)).toBeCloseTo(0.054, 4);
    for (const epoch of [12, 18]) expect(of(epoch)).toBeCloseTo(0.00443, 5);
    expect(of(10) / of(20)).toBeCloseTo(1, 9);
    expect(weights.reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(1, 15);
  });

  it('fall by the square of the distance in deviations, and sum to 1 however they are cut off', () => {
    for (const [epochs, mean, deviation] of [
      [20, 6, 10],
      [50, 45, 5],
      [1, 30, 2],
      [5, 30, 30],
    ] as const) {
      const weights = gaussianWeights(epochs, mean, deviation);
      expect(weights.reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(1, 12);
      const density = (epoch: number) => Math.exp(-((epoch - mean) ** 2) / (2 * deviation ** 2));
      for (const [i, weight] of weights.entries())
        expect(weight / weights.at(-1)! / (density(i + 1) / density(epochs))).toBeCloseTo(1, 9);
    }
  });
});

describe('PromptAverage', () => {
  it('adds up the parameters as they are after each epoch, and changes none of them', async () => {
    const gpu = await testGpu();
    const random = new TestRandom(1);
    const parameters = [random.variable([2, 3], 'text.0'), random.variable([5], 'vision.0')];
    const [epochs, averageMean, averageDeviation] = [3, 2, 1.5];
    const settings = { epochs, averageMean, averageDeviation } as ResolvedTeacher;
    const average = await PromptAverage.create(gpu, parameters, settings);
    expect(average.sums.map(({ shape }) => shape)).toEqual([[2, 3], [5]]);
    const expected = parameters.map(({ size }) => new Float64Array(size));
    for (const [i, weight] of gaussianWeights(epochs, averageMean, averageDeviation).entries()) {
      for (const [p, parameter] of parameters.entries()) {
        const values = random.array(parameter.size);
        write(gpu, parameter, values);
        values.forEach((value, j) => {
          expected[p]![j]! += weight * value;
        });
      }
      average.endEpoch(i + 1);
    }
    const found = await average.read();
    for (const [p, sums] of expected.entries()) {
      expect(found[p]).toHaveLength(sums.length);
      for (const [i, sum] of sums.entries()) expect(found[p]![i]).toBeCloseTo(sum, 6);
    }
    average.destroy();
    releaseAll(gpu);
    expect(gpu.held).toBe(0);
  });
});
