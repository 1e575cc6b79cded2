import { describe, expect, it } from 'vitest';
import { evaluate } from '../../../engine/graph/reference.js';
import { constant, type Shape, scalar, variable } from '../../../engine/graph/tensor.js';
import { gelu } from '../../../engine/ops/activation.js';
import { add } from '../../../engine/ops/add.js';
import { exp } from '../../../engine/ops/exp.js';
import { mean } from '../../../engine/ops/mean.js';
import { multiply } from '../../../engine/ops/multiply.js';
import { sum, sumLast, sumLeading } from '../../../engine/ops/reduce.js';
import { reshape } from '../../../engine/ops/reshape.js';
import { checkForward, checkGradient, oddSizes, TestRandom } from '../../helpers/check.js';

const pairs: [Shape, Shape][] = [
  [[1], [1]],
  [[3, 1, 5], [5]],
  [
    [2, 7, 13],
    [7, 13],
  ],
  [
    [65, 129],
    [65, 129],
  ],
  // Four at a time, and not although the first would allow it.
  [[3, 8], [8]],
  [
    [5, 4, 3],
    [4, 3],
  ],
  [
    [33, 12],
    [33, 12],
  ],
  [[4, 3], [3]],
];

describe('add and multiply', () => {
  for (const [name, op] of [
    ['add', add],
    ['multiply', multiply],
  ] as const)
    it(`${name} agrees with the reference and differences, with broadcasting`, async () => {
      const random = new TestRandom(4);
      for (const [a, b] of pairs) {
        const left = random.variable(a, 'a');
        const right = random.variable(b, 'b');
        await checkGradient(op(left, right), [left, right]);
      }
    });

  it('multiplies by a trainable scalar', async () => {
    const random = new TestRandom(5);
    const x = random.variable([3, 7], 'x');
    const scale = random.variable([1], 'scale');
    await checkGradient(multiply(x, scale), [x, scale]);
    const vectors = random.variable([3, 8], 'x');
    await checkGradient(multiply(vectors, scale), [vectors, scale]);
  });

  it('adds a tensor to itself: both paths count', async () => {
    const x = new TestRandom(6).variable([5, 3]);
    await checkGradient(add(multiply(x, x), x), [x]);
  });

  it('refuses shapes that are no suffix', () => {
    const random = new TestRandom(7);
    expect(() => add(random.variable([3, 2]), random.variable([3]))).toThrow(/do not fit/);
    expect(() => multiply(random.variable([3, 2]), random.variable([3]))).toThrow(/do not fit/);
  });
});

describe('reductions', () => {
  it('sum by hand', () => {
    const x = constant(Float32Array.of(1, 2, 3, 4, 5, 6), [2, 3]);
    const values = [sum(x), mean(x), sumLast(x), sumLeading(x, [3])];
    const found = evaluate(values);
    expect([...found.get(values[0]!)!]).toEqual([21]);
    expect(found.get(values[1]!)![0]).toBeCloseTo(3.5, 6);
    expect([...found.get(values[2]!)!]).toEqual([6, 15]);
    expect([...found.get(values[3]!)!]).toEqual([5, 7, 9]);
  });

  it('agree with the reference on odd sizes', async () => {
    const random = new TestRandom(8);
    const outputs = oddSizes.flatMap((n, i) => {
      // Positive values: a sum that cancels to nearly nothing would measure the data, not the kernel.
      const shape = [oddSizes[(i * 7 + 3) % oddSizes.length]!, n];
      const x = variable(random.array(shape[0]! * n).map(Math.abs), shape);
      return [sum(x), mean(x), sumLast(x), sumLeading(x, [n])];
    });
    await checkForward(outputs);
  });

  it('have the right gradients', async () => {
    const random = new TestRandom(9);
    const x = random.variable([5, 3, 7]);
    await checkGradient(sumLast(x), [x]);
    await checkGradient(sumLeading(x, [3, 7]), [x]);
    await checkGradient(multiply(mean(x), scalar(3)), [x]);
    await checkGradient(reshape(x, [15, 7]), [x]);
  });

  it('agree with the reference where a workgroup works on one sum', async () => {
    const random = new TestRandom(11);
    const outputs = [
      [255, 3],
      [256, 3],
      [257, 1],
      [1000, 5],
      [3, 1025],
    ].flatMap(([rows, width]) => {
      const x = variable(random.array(rows! * width!).map(Math.abs), [rows!, width!]);
      return [sum(x), sumLast(x), sumLeading(x, [width!])];
    });
    await checkForward(outputs);
  });

  it('agree with the reference where an invocation of a CPU adapter takes several elements', async () => {
    const random = new TestRandom(12);
    // Of 8192 elements an invocation takes two, of 65536 sixteen.
    const sizes = [8191, 8193, 12289, 65537, 65535, 4 * 8191, 4 * 65537];
    await checkForward(
      sizes.flatMap((size) => {
        const x = random.variable([size]);
        return [add(x, random.variable([size])), gelu(x), exp(x)];
      }),
    );
  });

  it('work beyond 65535 workgroups', async () => {
    const random = new TestRandom(10);
    await checkForward([sumLast(random.variable([70001, 3])), sumLast(random.variable([70001, 256]))]);
  });
});
