/** Rows of images that are no numbers are an error that names the first of the images. */
import { expect, it } from 'vitest';
import { constant, type Tensor } from '../../../engine/graph/tensor.js';
import { add } from '../../../engine/ops/add.js';
import { matmul } from '../../../engine/ops/matmul.js';
import { reshape } from '../../../engine/ops/reshape.js';
import { ImageRunner } from '../../../models/datasets/imageRunner.js';
import { loadDataset } from '../../../models/datasets/loadDataset.js';
import { drawFewEmoji } from '../../helpers/emojiData.js';
import { temporaryFolder } from '../../helpers/files.js';
import { testJob } from '../../helpers/job.js';

const folder = temporaryFolder('image-runner');

it('refuses a result that is not finite, and names the image', async () => {
  const job = await testJob();
  await drawFewEmoji(folder);
  const { test } = await loadDataset(job.platform, folder, {});
  expect(test.length).toBeGreaterThan(4);
  const size = 8;
  const pixels = 3 * size * size;
  /** The sum of an image's values, times a factor; one image's is infinite where the factor is. */
  const runner = (factor: number) =>
    ImageRunner.create(job.gpu, size, 3, (images: Tensor) => {
      const flat = reshape(images, [3, pixels]);
      const weights = constant(new Float32Array(2 * pixels).fill(factor), [pixels, 2]);
      return add(matmul(flat, weights), constant(Float32Array.of(0, 1), [2]));
    });
  const good = await runner(1);
  const { rows } = await good.runAll(job, test, 'rows');
  expect(rows.length).toBe(2 * test.length);
  good.destroy();
  // What is infinite of the largest sum alone, in whatever batch it is.
  const sums = test.map((_, i) => Math.abs(rows[2 * i]!));
  const largest = sums.indexOf(Math.max(...sums));
  const bad = await runner((3.4e38 / Math.max(...sums)) * 1.01);
  await expect(bad.runAll(job, test, 'rows')).rejects.toThrow(
    new RegExp(`${test[largest]!.path}: the model's result for this image is -?(Infinity|NaN)`),
  );
  bad.destroy();
});
