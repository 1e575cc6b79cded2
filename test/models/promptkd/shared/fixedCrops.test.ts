/** Kept features of fixed crops, in step with a training loader that comes upon broken images. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { nodePlatform } from '../../../../cli/platform/node.js';
import { releaseAll } from '../../../../engine/gpu/memory.js';
import { loadCheckpoint } from '../../../../models/checkpoints/load.js';
import { loadModel } from '../../../../models/clip/model.js';
import type { ImageItem } from '../../../../models/datasets/dataset.js';
import { ImageRunner } from '../../../../models/datasets/imageRunner.js';
import { loadDataset } from '../../../../models/datasets/loadDataset.js';
import { Loader } from '../../../../models/datasets/loader.js';
import { Skipped } from '../../../../models/datasets/skipped.js';
import { FixedCrops } from '../../../../models/promptkd/shared/fixedCrops.js';
import { unitFeatures } from '../../../../models/promptkd/shared/logits.js';
import { drawFewEmoji, emojiStudent, fewEmoji } from '../../../helpers/emojiData.js';
import { temporaryFolder } from '../../../helpers/files.js';
import { testJob } from '../../../helpers/job.js';

const folder = temporaryFolder('fixed-crops');
let items: ImageItem[];
let broken: string[];
beforeAll(async () => {
  const { train } = await loadDataset(
    nodePlatform,
    await drawFewEmoji(join(folder, 'data'), fewEmoji({ classes: 3, train: 3 })),
  );
  broken = [2, 5, 7].map((place) => train[place]!.path);
  for (const path of broken) {
    writeFileSync(path, readFileSync(path).subarray(0, 300));
  }
  items = train;
});

describe('FixedCrops', () => {
  it('has the features of every batch, also of what stands in for broken images', async () => {
    const job = await testJob();
    const { gpu, platform } = job;
    const model = await loadModel(gpu, await loadCheckpoint(platform, emojiStudent), { text: false });
    const skipped = new Skipped(items.length, 0.5);
    const options = { seed: 3, views: 2, cropScale: 0.3, skipped };
    const crops = await FixedCrops.compute(job, model, [], items, {
      ...options,
      label: 'features',
    });
    expect(skipped.list().map(({ path }) => path)).toEqual([...broken].sort());

    const size = model.config.vision.resolution;
    const runner = await ImageRunner.create(gpu, size, 3, (images) => unitFeatures(model, [], images));
    const loader = new Loader(platform, items, { ...options, batch: 3, size, augment: true });
    for (const epoch of [1, 2, 3])
      for await (const { images, indices } of loader.epoch(epoch)) {
        const kept = crops.batch(epoch, indices);
        const direct = await runner.run(images);
        expect(kept.length).toBe(direct.length);
        kept.forEach((value, i) => {
          expect(Math.abs(value - direct[i]!)).toBeLessThan(1e-5);
        });
      }
    runner.destroy();
    model.release();
  });

  it('are computed for every image, also where the last batch is not full, and hold nothing on the device', async () => {
    const bars: [string, number][] = [];
    const done: number[] = [];
    const job = await testJob((_, images) => done.push(images));
    const begin: typeof job.begin = (label, total) => {
      bars.push([label, total]);
      return job.begin(label, total);
    };
    const { gpu, platform } = job;
    const model = await loadModel(gpu, await loadCheckpoint(platform, emojiStudent), { text: false });
    const whole = items.filter(({ path }) => !broken.includes(path));
    const all = [...whole, ...whole, ...whole];
    expect(all).toHaveLength(18);
    const options = { seed: 3, views: 2, cropScale: 0.3, label: 'features' };
    const crops = await FixedCrops.compute({ ...job, begin }, model, [], all, options);
    expect(bars).toEqual([['features', 36]]);
    // At most 16 images at a time, so that the memory does not grow with the data set.
    expect(done).toEqual([16, 18, 34, 36]);
    for (const epoch of [0, 1]) {
      const features = crops.batch(epoch, [...all.keys()]);
      const width = features.length / all.length;
      for (const row of all.keys()) {
        const squares = features.subarray(row * width, (row + 1) * width).map((value) => value * value);
        expect(
          squares.reduce((sum, square) => sum + square, 0),
          `image ${row}`,
        ).toBeCloseTo(1, 4);
      }
    }
    model.release();
    releaseAll(gpu);
    expect(gpu.held).toBe(0);
  });
});
