import { expect, it } from 'vitest';
import { evaluate } from '../../../engine/graph/reference.js';
import { constant } from '../../../engine/graph/tensor.js';
import { clipFactor, squaredNorm } from '../../../engine/train/clipGradients.js';
import { checkForward } from '../../helpers/check.js';

it('has one number for any gradients, and none for no gradients', () => {
  const gradient = constant(Float32Array.of(3, 4), [2]);
  expect([squaredNorm([gradient]).shape, clipFactor([gradient], 1).shape]).toEqual([[1], [1]]);
  expect(() => squaredNorm([])).toThrow(/needs a tensor/);
});

it('adds a millionth to the length, as PyTorch does, so that gradients of 0 divide nothing by 0', async () => {
  const zero = constant(new Float32Array(3), [3]);
  const [half, one] = [clipFactor([zero], 5e-7), clipFactor([zero], 1)];
  const found = evaluate([half, one]);
  expect([found.get(half)![0], found.get(one)![0]]).toEqual([0.5, 1]);
  await checkForward([half, one]);
});
