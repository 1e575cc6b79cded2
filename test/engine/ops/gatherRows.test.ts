import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { UserError } from '../../../engine/errors.js';
import { evaluate } from '../../../engine/graph/reference.js';
import { constant, type Shape, type Tensor } from '../../../engine/graph/tensor.js';
import { embedding, gatherRows, scatterRows } from '../../../engine/ops/gatherRows.js';
import { checkForward, checkGradient, TestRandom } from '../../helpers/check.js';

const indicesOf = (values: readonly number[], shape: Shape = [values.length]) =>
  constant(Int32Array.from(values), shape, 'indices');
const floats = (values: readonly number[], shape: Shape) => constant(Float32Array.from(values), shape);
const byHand = (tensor: Tensor) => [...evaluate([tensor]).get(tensor)!];

describe('gatherRows', () => {
  it('picks rows by hand, an index outside meaning the nearest row', async () => {
    const y = gatherRows(floats([1, 2, 3, 4, 5, 6], [3, 2]), indicesOf([2, 0, 2, -7, 99]));
    expect(y.shape).toEqual([5, 2]);
    expect(byHand(y)).toEqual([5, 6, 1, 2, 5, 6, 1, 2, 5, 6]);
    await checkForward([y]);
  });

  it('adds rows up by hand: duplicates, rows that nobody names, an index outside', async () => {
    const y = floats([1, 2, 10, 20, 100, 200, 1000, 2000], [4, 2]);
    const x = scatterRows(y, indicesOf([2, 0, 2, 9]), 4);
    expect(x.shape).toEqual([4, 2]);
    expect(byHand(x)).toEqual([10, 20, 0, 0, 101, 202, 1000, 2000]);
    await checkForward([x]);
  });

  it('looks tokens up', async () => {
    const y = embedding(floats([1, 2, 3, 4], [4, 1]), indicesOf([3, 1, 1, 0, 2, 3], [2, 3]));
    expect(y.shape).toEqual([2, 3, 1]);
    expect(byHand(y)).toEqual([4, 2, 2, 1, 3, 4]);
    await checkForward([y]);
  });

  it('agrees with the reference for random shapes', async () => {
    const shapes = fc.record({
      rows: fc.constantFrom(1, 2, 17, 64, 131),
      width: fc.constantFrom(1, 3, 4, 20, 64, 65),
      count: fc.constantFrom(1, 2, 7, 63, 65, 150),
    });
    await fc.assert(
      fc.asyncProperty(shapes, async ({ rows, width, count }) => {
        const random = new TestRandom(count);
        const indices = indicesOf(
          // Beyond both ends as well.
          Array.from({ length: count }, () => Math.floor(((random.next() + 1) / 2) * (rows + 4)) - 2),
        );
        await checkForward([
          gatherRows(random.variable([rows, width]), indices),
          scatterRows(random.variable([count, width]), indices, rows),
        ]);
      }),
      { seed: 11, numRuns: 10 },
    );
  });

  it('adds many duplicates up in the order of the rows', async () => {
    const random = new TestRandom(5);
    const indices = indicesOf(Array.from({ length: 700 }, (_, i) => (i % 3 === 0 ? 2999 : (i * 37) % 50)));
    await checkForward([scatterRows(random.variable([700, 12]), indices, 3000)]);
    // In any other order the large values do not cancel before the small one comes.
    await checkForward([scatterRows(floats([1e8, -1e8, 1], [3, 1]), indicesOf([1, 1, 1]), 2)]);
  });

  for (const width of [3, 4])
    it(`has the right gradient, duplicates included, width ${width}`, async () => {
      const x = new TestRandom(6).variable([5, width]);
      await checkGradient(gatherRows(x, indicesOf([4, 0, 4, 4, 1, 0])), [x]);
      await checkGradient(embedding(x, indicesOf([3, 3, 0, 1], [2, 2])), [x]);
    });

  it('refuses what does not fit', () => {
    const x = floats([1, 2, 3, 4], [2, 2]);
    for (const wrong of [
      () => gatherRows(x, constant(Float32Array.of(0), [1])),
      () => gatherRows(x, indicesOf([0, 1], [1, 2])),
      () => gatherRows(floats([1, 2], [2]), indicesOf([0])),
      () => scatterRows(x, indicesOf([0]), 3),
      () => scatterRows(x, indicesOf([0, 1]), 0),
      () => embedding(x, indicesOf([0, 1])),
    ])
      expect(wrong).toThrow(UserError);
  });
});
