import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { UserError } from '../../../engine/errors.js';
import { nodeOf } from '../../../engine/graph/op.js';
import { evaluate } from '../../../engine/graph/reference.js';
import { constant, type Shape, variable } from '../../../engine/graph/tensor.js';
import { recordingOrder } from '../../../engine/graph/traverse.js';
import { layerNorm } from '../../../engine/ops/layerNorm.js';
import { multiply } from '../../../engine/ops/multiply.js';
import { sum } from '../../../engine/ops/reduce.js';
import { grad } from '../../../engine/train/autograd.js';
import { checkForward, checkGradient, kernelWays, relativeError, TestRandom } from '../../helpers/check.js';

const shapes: readonly Shape[] = [
  [1],
  [3, 2],
  [2, 3],
  [3, 7],
  [2, 2, 63],
  [5, 64],
  [4, 65],
  [3, 257],
  [2, 1000],
  ...fc.sample(fc.tuple(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 2, max: 300 })), {
    seed: 2,
    numRuns: 3,
  }),
];

const parameters = (random: TestRandom, width: number) =>
  [random.variable([width], 'gamma'), random.variable([width], 'beta')] as const;

describe('layerNorm', () => {
  it('by hand', () => {
    // Mean 2, biased variance 1 + 3: (1 - 2, 3 - 2) / 2 with epsilon 3.
    const x = constant(Float32Array.of(1, 3), [1, 2]);
    const y = layerNorm(x, constant(Float32Array.of(2, 4), [2]), constant(Float32Array.of(10, 20), [2]), 3);
    expect([...evaluate([y]).get(y)!]).toEqual([9, 22]);
  });

  it('agrees with the reference at every size', async () => {
    const random = new TestRandom(41);
    await checkForward(
      shapes.flatMap((shape) => {
        const [gamma, beta] = parameters(random, shape[shape.length - 1]!);
        // Off centre: a mean that cancels to nearly nothing would measure the data, not the kernel.
        const size = shape.reduce((product, n) => product * n, 1);
        const x = variable(
          random.array(size, 5).map((v) => v + 1),
          shape,
          'x',
        );
        const y = layerNorm(x, gamma, beta);
        return [y, ...nodeOf(y)!.outputs.slice(1)];
      }),
    );
  });

  for (const [way, capabilities] of kernelWays)
    it(`agrees forward and backward on ${way}`, async () => {
      const random = new TestRandom(44);
      // Vectors and single elements; rows in registers (up to 16 an invocation) and beyond.
      for (const shape of [
        [1, 4],
        [3, 8],
        [5, 63],
        [17, 64],
        [2, 5, 128],
        [4, 257],
        [33, 260],
        [3, 1024],
        [2, 1025],
        [3, 1028],
        [2, 4100],
      ]) {
        const size = shape.reduce((product, n) => product * n, 1);
        const x = variable(
          random.array(size, 5).map((v) => v + 1),
          shape,
          'x',
        );
        const [gamma, beta] = parameters(random, shape[shape.length - 1]!);
        const y = layerNorm(x, gamma, beta);
        const weights = constant(random.array(y.size), y.shape);
        const [dx] = grad(sum(multiply(y, weights)), [x]);
        await checkForward([y, ...nodeOf(y)!.outputs.slice(1), dx!], { capabilities });
        // Nothing saved: another kernel.
        if (size < 100) await checkForward([y], { capabilities });
      }
    });

  for (const [way, capabilities] of kernelWays)
    it(`keeps its digits on outliers and offsets on ${way}`, async () => {
      const random = new TestRandom(48);
      const [gamma, beta] = parameters(random, 1000);
      const data = random.array(4000).map((v, i) => {
        const [row, column] = [Math.floor(i / 1000), i % 1000];
        if (row === 0) return Math.round(v * 64) + 1e5;
        // The first element far from all others, as in the residual stream of a transformer.
        return row === 1 && column === 0 ? 1000 : row === 2 && column === 999 ? -1000 : v;
      });
      const y = layerNorm(variable(data, [4, 1000]), gamma, beta);
      await checkForward(nodeOf(y)!.outputs, { tolerance: 1e-4, capabilities });
      const constantRows = variable(
        new Float32Array(4000).map((_, i) => [0, 0.1, -1e4, 3e7][Math.floor(i / 1000)]!),
        [4, 1000],
      );
      await checkForward([layerNorm(constantRows, gamma, beta)], { tolerance: 1e-6, capabilities });
    });

  it('has the right gradients', async () => {
    const random = new TestRandom(42);
    for (const shape of [
      [1, 3],
      [3, 7],
      [2, 5, 33],
      [19, 65],
      [5, 44],
      [2, 257],
    ]) {
      const x = random.variable(shape);
      const [gamma, beta] = parameters(random, shape[shape.length - 1]!);
      await checkGradient(layerNorm(x, gamma, beta), [x, gamma, beta]);
      await checkGradient(layerNorm(x, gamma, beta), [beta]);
    }
  });

  it('computes nothing for frozen parameters', () => {
    const random = new TestRandom(43);
    const x = random.variable([3, 5]);
    const [gamma, beta] = parameters(random, 5);
    const names = recordingOrder(grad(sum(layerNorm(x, gamma, beta)), [x])).map((node) => node.op.name);
    expect(names).toContain('layerNormGradient');
    expect(names).not.toContain('layerNormParameterGradient');
  });

  it('gives beta for constant rows, whatever their value', async () => {
    const random = new TestRandom(44);
    const [gamma, beta] = parameters(random, 100);
    const x = variable(
      new Float32Array(400).map((_, i) => [0, 0.1, -1e4, 3e7][Math.floor(i / 100)]!),
      [4, 100],
    );
    const y = layerNorm(x, gamma, beta);
    await checkForward([y, ...grad(sum(multiply(y, random.variable([4, 100]))), [x, gamma])], {
      tolerance: 1e-4,
    });
    expect(relativeError(evaluate([y]).get(y)!.subarray(100, 200), beta.leaf!.data!)).toBeLessThan(1e-6);
  });

  it('keeps its digits on a large common offset', async () => {
    const random = new TestRandom(45);
    const [gamma, beta] = parameters(random, 1000);
    const x = variable(
      random.array(3000).map((v) => Math.round(v * 64) + 1e5),
      [3, 1000],
    );
    // Without the shift by the first element it is some 1e-3.
    await checkForward([layerNorm(x, gamma, beta)], { tolerance: 1e-4 });
  });

  it('works beyond 65535 rows', async () => {
    const random = new TestRandom(47);
    const x = random.variable([65537, 3]);
    const [gamma, beta] = parameters(random, 3);
    const y = layerNorm(x, gamma, beta, 0.1);
    await checkForward([y, ...grad(sum(multiply(y, random.variable([65537, 3]))), [x, gamma, beta])], {
      tolerance: 1e-4,
    });
  });

  it('refuses parameters of another size', () => {
    const random = new TestRandom(46);
    const [x, five, six] = [random.variable([3, 5]), random.variable([5]), random.variable([6])];
    expect(() => layerNorm(x, six, five)).toThrow(UserError);
    expect(() => layerNorm(x, five, six)).toThrow(UserError);
    expect(() => layerNorm(x, random.variable([1, 5]), five)).toThrow(UserError);
  });
});
