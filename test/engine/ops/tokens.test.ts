import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { UserError } from '../../../engine/errors.js';
import { evaluate } from '../../../engine/graph/reference.js';
import { constant, type Tensor, variable } from '../../../engine/graph/tensor.js';
import {
  insertTokens,
  removeTokens,
  replaceTokens,
  sumTokens,
  zeroTokens,
} from '../../../engine/ops/tokens.js';
import { checkForward, checkGradient, TestRandom } from '../../helpers/check.js';

const byHand = (tensor: Tensor) => [...evaluate([tensor]).get(tensor)!];

describe('token sequences', () => {
  // Two sequences of three tokens, one column: 1 2 3 and 4 5 6.
  const x = constant(Float32Array.of(1, 2, 3, 4, 5, 6), [2, 3, 1], 'x');
  const rows = constant(Float32Array.of(8, 9), [2, 1], 'rows');
  const cases: readonly (readonly [string, Tensor, readonly number[], readonly number[]])[] = [
    ['inserts at the start', insertTokens(x, 0, rows), [2, 5, 1], [8, 9, 1, 2, 3, 8, 9, 4, 5, 6]],
    ['inserts within', insertTokens(x, 1, rows), [2, 5, 1], [1, 8, 9, 2, 3, 4, 8, 9, 5, 6]],
    ['inserts at the end', insertTokens(x, 3, rows), [2, 5, 1], [1, 2, 3, 8, 9, 4, 5, 6, 8, 9]],
    ['replaces at the start', replaceTokens(x, 0, rows), [2, 3, 1], [8, 9, 3, 8, 9, 6]],
    ['replaces at the end', replaceTokens(x, 1, rows), [2, 3, 1], [1, 8, 9, 4, 8, 9]],
    ['removes', removeTokens(x, 1, 1), [2, 2, 1], [1, 3, 4, 6]],
    ['removes the end', removeTokens(x, 1, 2), [2, 1, 1], [1, 4]],
    ['zeroes', zeroTokens(x, 1, 2), [2, 3, 1], [1, 0, 0, 4, 0, 0]],
    ['sums over the batch', sumTokens(x, 1, 2), [2, 1], [7, 9]],
  ];
  for (const [name, y, shape, expected] of cases)
    it(name, async () => {
      expect(y.shape).toEqual(shape);
      expect(byHand(y)).toEqual(expected);
      await checkForward([y]);
    });

  it('agrees with the reference for random shapes', async () => {
    const shapes = fc.record({
      batch: fc.integer({ min: 1, max: 4 }),
      tokens: fc.integer({ min: 1, max: 20 }),
      width: fc.constantFrom(1, 3, 4, 7, 8, 64, 68),
      n: fc.integer({ min: 1, max: 5 }),
      place: fc.double({ min: 0, max: 1, noNaN: true }),
    });
    await fc.assert(
      fc.asyncProperty(shapes, async ({ batch, tokens, width, n, place }) => {
        const random = new TestRandom(tokens);
        const x = random.variable([batch, tokens, width]);
        const rows = random.variable([n, width], 'rows');
        const fits = Math.min(n, tokens);
        const at = Math.round(place * (tokens - fits));
        const outputs = [
          insertTokens(x, Math.round(place * tokens), rows),
          replaceTokens(x, at, random.variable([fits, width], 'fitting rows')),
          zeroTokens(x, at, fits),
          sumTokens(x, at, fits),
        ];
        if (fits < tokens) outputs.push(removeTokens(x, at, fits));
        await checkForward(outputs);
      }),
      { seed: 7, numRuns: 10 },
    );
  });

  for (const width of [3, 8])
    it(`has the right gradients, width ${width}`, async () => {
      const random = new TestRandom(2);
      const x = random.variable([3, 5, width]);
      const rows = random.variable([2, width], 'rows');
      for (const at of [0, 2, 5]) await checkGradient(insertTokens(x, at, rows), [x, rows]);
      for (const at of [0, 1, 3]) await checkGradient(replaceTokens(x, at, rows), [x, rows]);
    });

  it('makes no gradient of the sequence that nobody asked for', async () => {
    const random = new TestRandom(3);
    const rows = random.variable([2, 4], 'rows');
    await checkGradient(insertTokens(constant(random.array(24), [2, 3, 4]), 1, rows), [rows]);
  });

  it('sums a batch in the same order on every run', async () => {
    // 1 + 1e8 - 1e8 depends on the order: from the first sequence on it is 0 in float32.
    const y = sumTokens(variable(Float32Array.of(1, 1e8, -1e8), [3, 1, 1]), 0, 1);
    expect(Math.fround(Math.fround(1 + 1e8) - 1e8)).toBe(0);
    await checkForward([sumTokens(variable(Float32Array.of(1e8, -1e8, 1), [3, 1, 1]), 0, 1)]);
    await expect(checkForward([y])).rejects.toThrow();
  });

  it('refuses what does not fit', () => {
    for (const wrong of [
      () => insertTokens(x, 4, rows),
      () => insertTokens(x, -1, rows),
      () => insertTokens(x, 0.5, rows),
      () => insertTokens(x, 0, constant(new Float32Array(4), [2, 2])),
      () => insertTokens(constant(new Float32Array(6), [2, 3]), 0, rows),
      () => replaceTokens(x, 2, rows),
      () => removeTokens(x, 0, 3),
      () => removeTokens(x, 2, 2),
      () => zeroTokens(x, 3, 1),
      () => zeroTokens(x, 0, 0),
      () => sumTokens(x, 2, 2),
    ])
      expect(wrong).toThrow(UserError);
  });
});
