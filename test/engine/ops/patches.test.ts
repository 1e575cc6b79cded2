import { describe, expect, it } from 'vitest';
import { UserError } from '../../../engine/errors.js';
import { evaluate } from '../../../engine/graph/reference.js';
import { constant, type Tensor, variable } from '../../../engine/graph/tensor.js';
import { assemblePatches, extractPatches, patchEmbedding } from '../../../engine/ops/patches.js';
import { checkForward, checkGradient, TestRandom } from '../../helpers/check.js';

const byHand = (tensor: Tensor) => [...evaluate([tensor]).get(tensor)!];
const counting = (length: number) => Float32Array.from({ length }, (_, i) => i);

/** [batch, channels, resolution, patch]: one patch, patches of one pixel, sides that are and are not multiples of four. */
const shapes = [
  [1, 1, 1, 1],
  [2, 3, 3, 1],
  [1, 3, 7, 7],
  [3, 3, 9, 3],
  [2, 3, 8, 4],
  [1, 3, 42, 14],
  [2, 3, 32, 16],
] as const;

describe('patches', () => {
  it('cuts by hand: patches row by row, in each channel, then y, then x', async () => {
    // Two channels of 4 x 4: 0 .. 15 and 16 .. 31.
    const y = extractPatches(constant(counting(32), [1, 2, 4, 4]), 2);
    expect(y.shape).toEqual([1, 4, 8]);
    expect(byHand(y)).toEqual(
      [
        [0, 1, 4, 5, 16, 17, 20, 21],
        [2, 3, 6, 7, 18, 19, 22, 23],
        [8, 9, 12, 13, 24, 25, 28, 29],
        [10, 11, 14, 15, 26, 27, 30, 31],
      ].flat(),
    );
    await checkForward([y]);
  });

  it('agrees with the reference, and puts images together again', async () => {
    const random = new TestRandom(1);
    for (const [batch, channels, resolution, patch] of shapes) {
      const images = random.variable([batch, channels, resolution, resolution], 'images');
      const patches = extractPatches(images, patch);
      const again = assemblePatches(patches, patch);
      expect(again.shape).toEqual(images.shape);
      expect(byHand(again)).toEqual([...images.leaf!.data!]);
      await checkForward([patches, again]);
    }
  });

  it('embeds as a convolution does', async () => {
    // One image of 2 x 4 x 4 and two filters of 2 x 2: the sum of a patch, and its last value.
    const images = constant(counting(32), [1, 2, 4, 4]);
    const weight = constant(Float32Array.of(1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1), [2, 2, 2, 2]);
    const y = patchEmbedding(images, weight, 2);
    expect(y.shape).toEqual([1, 4, 2]);
    expect(byHand(y)).toEqual([84, 21, 100, 23, 148, 29, 164, 31]);
    await checkForward([y]);
  });

  for (const [resolution, patch] of [
    [6, 3],
    [8, 4],
  ] as const)
    it(`has the right gradients, patches of ${patch}`, async () => {
      const random = new TestRandom(2);
      const images = random.variable([2, 3, resolution, resolution], 'images');
      const weight = random.variable([5, 3, patch, patch], 'weight');
      await checkGradient(extractPatches(images, patch), [images]);
      const patches = random.variable([2, 4, 3 * patch * patch], 'patches');
      await checkGradient(assemblePatches(patches, patch), [patches]);
      await checkGradient(patchEmbedding(images, weight), [images, weight]);
    });

  it('refuses what does not fit', () => {
    const images = variable(new Float32Array(108), [1, 3, 6, 6]);
    const weight = (shape: number[]) => variable(undefined, shape);
    for (const wrong of [
      () => extractPatches(images, 4),
      () => extractPatches(images, 0),
      () => extractPatches(variable(undefined, [1, 3, 6, 9]), 3),
      () => extractPatches(variable(undefined, [3, 6, 6]), 3),
      () => assemblePatches(variable(undefined, [1, 3, 12]), 2),
      () => assemblePatches(variable(undefined, [1, 4, 13]), 2),
      () => patchEmbedding(images, weight([5, 2, 3, 3])),
      () => patchEmbedding(images, weight([5, 3, 3, 3]), 2),
      () => patchEmbedding(images, weight([5, 3, 4, 4])),
    ])
      expect(wrong).toThrow(UserError);
  });
});
