import { describe, expect, it } from 'vitest';
import { UserError } from '../../../engine/errors.js';
import type { ImageItem } from '../../../models/datasets/dataset.js';
import { type Batch, Loader, type LoaderOptions } from '../../../models/datasets/loader.js';
import type { Platform } from '../../../models/platform.js';
import { syntheticImage } from '../../helpers/syntheticImage.js';

const items: ImageItem[] = Array.from({ length: 10 }, (_, i) => ({ path: `${i}.png`, label: i % 3 }));

/** A platform that only decodes: image `i` is `20 + i` x 16; paths in `broken` fail. */
function fakePlatform(broken: string[] = []) {
  const decoded: string[] = [];
  const decodeImage = async (path: string) => {
    decoded.push(path);
    if (broken.includes(path)) throw new UserError(`${path} is broken`, 'Remove it.');
    return syntheticImage(20 + Number.parseInt(path, 10), 16);
  };
  return { decoded, platform: { decodeImage } as unknown as Platform };
}

function makeLoader(options: Partial<LoaderOptions> = {}, broken: string[] = []) {
  const { platform, decoded } = fakePlatform(broken);
  const loader = new Loader(platform, items, { batch: 4, seed: 1, size: 8, augment: true, ...options });
  return { loader, decoded };
}

async function collect(batches: AsyncIterable<Batch>): Promise<Batch[]> {
  const all: Batch[] = [];
  for await (const batch of batches) all.push(batch);
  return all;
}

const summary = (batches: Batch[]) =>
  batches.map(({ indices, images }) => [indices, images.map(({ crop }) => crop)]);

describe('Loader', () => {
  it('gives every image at most once an epoch, in full batches, with its own item', async () => {
    const { loader } = makeLoader();
    const batches = await collect(loader.epoch(0));
    expect([batches.length, loader.batchesPerEpoch]).toEqual([2, 2]);
    const indices = batches.flatMap((batch) => batch.indices);
    expect(new Set(indices).size).toBe(8);
    for (const batch of batches)
      batch.indices.forEach((index, i) => {
        expect(batch.items[i]).toBe(items[index]);
        expect(batch.images[i]!.width).toBe(20 + index);
        expect(batch.images[i]!.crop.size).toBe(8);
      });
  });

  it('repeats an epoch whether or not others ran before, and differs between epochs and seeds', async () => {
    const { loader } = makeLoader();
    const first = [summary(await collect(loader.epoch(0))), summary(await collect(loader.epoch(1)))];
    expect(summary(await collect(makeLoader().loader.epoch(1)))).toEqual(first[1]);
    expect(first[1]).not.toEqual(first[0]);
    expect(summary(await collect(makeLoader({ seed: 2 }).loader.epoch(0)))).not.toEqual(first[0]);
  });

  it('begins an epoch in its middle with the batches that it would have come to', async () => {
    const options = { batch: 2 };
    const whole = summary(await collect(makeLoader(options).loader.epoch(3)));
    for (const from of [0, 1, 4, 5]) {
      const { loader } = makeLoader(options);
      expect(summary(await collect(loader.epoch(3, from))), `from ${from}`).toEqual(whole.slice(from));
      loader.start(3, from);
      expect(summary(await collect(loader.epoch(3, from))), `started from ${from}`).toEqual(
        whole.slice(from),
      );
      // What was begun for another place is not taken for this one.
      loader.start(3, 2);
      expect(summary(await collect(loader.epoch(3, from))), `not from ${from}`).toEqual(whole.slice(from));
    }
  });

  it('repeats crops, but not the order, after `views` epochs', async () => {
    const { loader } = makeLoader({ views: 2, batch: 5 });
    const crops = async (epoch: number) => {
      const byIndex: unknown[] = [];
      for (const { indices, images } of await collect(loader.epoch(epoch)))
        indices.forEach((index, i) => {
          byIndex[index] = images[i]!.crop;
        });
      return byIndex;
    };
    expect(await crops(2)).toEqual(await crops(0));
    expect(await crops(1)).not.toEqual(await crops(0));
    const order = async (epoch: number) =>
      (await collect(loader.epoch(epoch))).flatMap(({ indices }) => indices);
    expect(await order(2)).not.toEqual(await order(0));
  });

  it('for testing keeps the order, the last batch and the whole image', async () => {
    const batches = await collect(makeLoader({ augment: false }).loader.epoch(0));
    expect(batches.map(({ indices }) => indices)).toEqual([
      [0, 1, 2, 3],
      [4, 5, 6, 7],
      [8, 9],
    ]);
    expect(batches[0]!.images[0]!.crop).toMatchObject({
      left: 0,
      width: 20,
      height: 16,
      resizeTo: [10, 8],
      flip: false,
    });
  });

  it('decodes each image once while the cache has room, and again without', async () => {
    const cached = makeLoader();
    for (const epoch of [0, 1, 2]) await collect(cached.loader.epoch(epoch));
    expect(cached.decoded.length).toBeLessThanOrEqual(10);
    const uncached = makeLoader({ cacheBytes: 0 });
    for (const epoch of [0, 1]) await collect(uncached.loader.epoch(epoch));
    expect(uncached.decoded).toHaveLength(16);
    // Room for the 20 and the 21 pixel wide images only.
    const some = makeLoader({ cacheBytes: 41 * 16 * 3, augment: false });
    for (const epoch of [0, 1]) await collect(some.loader.epoch(epoch));
    expect(some.decoded).toHaveLength(10 + 8);
  });

  it('decodes the next batch while one is in use', async () => {
    const { loader, decoded } = makeLoader({ augment: false });
    const batches = loader.epoch(0);
    await batches.next();
    expect(decoded).toHaveLength(8);
    await batches.return();
  });

  it('throws for a broken image when its batch is due, and not when stopped before', async () => {
    const { loader } = makeLoader({ augment: false }, ['5.png']);
    const batches = loader.epoch(0);
    expect((await batches.next()).value!.indices).toEqual([0, 1, 2, 3]);
    await expect(batches.next()).rejects.toThrow('5.png is broken');
    const stopped = loader.epoch(0);
    await stopped.next();
    await stopped.return();
    await new Promise((resolve) => setTimeout(resolve, 5));
  });

  it('refuses a batch larger than the data, no data and no batch', () => {
    expect(() => makeLoader({ batch: 11 })).toThrow(/batch of 11 .* \(10 images\)/);
    expect(makeLoader({ batch: 11, dropLast: false }).loader.batchesPerEpoch).toBe(1);
    expect(() => makeLoader({ batch: 0 })).toThrow(UserError);
    expect(
      () => new Loader(fakePlatform().platform, [], { batch: 1, seed: 1, size: 8, augment: true }),
    ).toThrow(/no images/);
  });
});
