/** Broken images: which images take their places, and how many are tolerated. */
import { describe, expect, it } from 'vitest';
import { UserError } from '../../../engine/errors.js';
import type { ImageItem } from '../../../models/datasets/dataset.js';
import { type Batch, Loader, type LoaderOptions } from '../../../models/datasets/loader.js';
import { BrokenImage, Skipped } from '../../../models/datasets/skipped.js';
import type { Platform } from '../../../models/platform.js';
import { syntheticImage } from '../../helpers/syntheticImage.js';

const COUNT = 23;
const items: ImageItem[] = Array.from({ length: COUNT }, (_, i) => ({ path: `${i}.png`, label: i % 3 }));

/** Decodes image `i` as `20 + i` x 16, later ones sooner; those in `broken` fail. */
function makeLoader(broken: readonly number[], options: Partial<LoaderOptions> = {}, maxBroken = 1) {
  const skipped = new Skipped(COUNT, maxBroken);
  const decodeImage = async (path: string) => {
    const index = Number.parseInt(path, 10);
    await new Promise((resolve) => setTimeout(resolve, (COUNT - index) % 3));
    if (broken.includes(index)) throw new BrokenImage(path, 'it is cut off');
    return { ...syntheticImage(20 + index, 16), hash: `hash of ${index}` };
  };
  const platform = { decodeImage } as unknown as Platform;
  const loader = new Loader(platform, items, {
    ...{ batch: 4, seed: 1, size: 8, augment: true, hash: true, skipped },
    ...options,
  });
  return { loader, skipped };
}

async function collect(batches: AsyncIterable<Batch>): Promise<Batch[]> {
  const all: Batch[] = [];
  for await (const batch of batches) all.push(batch);
  return all;
}

/** The rule in other words: what the places of a batch hold, given the epoch's order. */
function expected(order: readonly number[], batch: number, broken: readonly number[]): number[][] {
  const good = (index: number) => !broken.includes(index);
  const batches: number[][] = [];
  for (let first = 0; first + batch <= order.length; first += batch) {
    const places: (number | undefined)[] = order
      .slice(first, first + batch)
      .map((index) => (good(index) ? index : undefined));
    places.forEach((held, place) => {
      if (held !== undefined) return;
      const behind = [...order, ...order].slice(first + place + 1, first + place + order.length).filter(good);
      places[place] = behind.find((index) => !places.includes(index)) ?? behind[0];
    });
    batches.push(places as number[]);
  }
  return batches;
}

const indicesOf = (batches: readonly Batch[]) => batches.map(({ indices }) => indices);

describe('a broken image in a training epoch', () => {
  const broken = [2, 3, 5, 11, 17, 22];

  it('has its place taken by the next good one of the order that is not in the batch', async () => {
    for (const epoch of [1, 2, 3]) {
      const order = indicesOf(await collect(makeLoader([], { batch: 1 }).loader.epoch(epoch))).flat();
      const found = await collect(makeLoader(broken).loader.epoch(epoch));
      expect(indicesOf(found)).toEqual(expected(order, 4, broken));
      // Also where nearly all of a batch is broken, and where there are fewer good images than a batch has places.
      const few = items.map((_, i) => i).filter((i) => ![4, 9, 13].includes(i));
      const repeated = await collect(makeLoader(few).loader.epoch(epoch));
      expect(indicesOf(repeated)).toEqual(expected(order, 4, few));
      expect(repeated.every(({ indices }) => new Set(indices).size === 3)).toBe(true);
    }
  });

  it('leaves everything of the others as it is, and brings what belongs to the one in its place', async () => {
    const whole = await collect(makeLoader([]).loader.epoch(2));
    const crops = new Map<number, unknown>();
    for (const { indices, images } of await collect(makeLoader([], { batch: 1 }).loader.epoch(2)))
      crops.set(indices[0]!, images[0]);
    const found = await collect(makeLoader(broken).loader.epoch(2));
    expect(found).toHaveLength(whole.length);
    found.forEach((batch, b) => {
      batch.indices.forEach((index, i) => {
        expect(broken).not.toContain(index);
        expect(batch.items[i]).toBe(items[index]);
        expect(batch.hashes?.[i]).toBe(`hash of ${index}`);
        expect(batch.images[i]).toEqual(crops.get(index));
        if (!broken.includes(whole[b]!.indices[i]!)) expect(index).toBe(whole[b]!.indices[i]);
      });
    });
  });

  it('is the same whatever was found before: by another epoch, in another order, or from the middle on', async () => {
    const alone = await collect(makeLoader(broken).loader.epoch(3));
    const { loader, skipped } = makeLoader(broken);
    for (const epoch of [1, 2]) await collect(loader.epoch(epoch));
    expect(await collect(loader.epoch(3))).toEqual(alone);
    expect(skipped.list().map(({ path }) => Number.parseInt(path, 10))).toEqual(
      expect.arrayContaining([2, 3, 5]),
    );
    for (const from of [1, 3, 4]) {
      const { loader: other } = makeLoader(broken);
      other.start(3, from);
      expect(await collect(other.epoch(3, from)), `from ${from}`).toEqual(alone.slice(from));
    }
  });

  it('is found among those that an epoch leaves out, too', async () => {
    const { loader, skipped } = makeLoader(broken);
    await collect(loader.epoch(1));
    await loader.decodeLeftOut(1);
    expect(skipped.count).toBe(broken.length);
  });

  it('is an error where none is borne with, or too many are broken', async () => {
    const strict = makeLoader([5], {}, 0);
    await expect(collect(strict.loader.epoch(1))).rejects.toThrow(
      /1 of 23 images is broken, none may be \(maxBroken is 0\): 5\.png \(it is cut off\)/,
    );
    await expect(collect(makeLoader([5], { skipped: undefined }).loader.epoch(1))).rejects.toThrow(
      BrokenImage,
    );
    // Two of 23 are less than a tenth, three are more.
    const all = async (some: readonly number[]) => {
      const { loader } = makeLoader(some, { batch: 1 }, 0.1);
      return (await collect(loader.epoch(1))).length;
    };
    expect(await all([7, 19])).toBe(23);
    await expect(all([7, 13, 19])).rejects.toThrow(/3 of 23 .*more than the share of 0\.1 that may be/);
  });

  it('is not what a fault of the machine looks like', async () => {
    const platform = {
      decodeImage: async () => {
        throw new UserError('too many open files', 'Close some.');
      },
    } as unknown as Platform;
    const skipped = new Skipped(COUNT, 1);
    const loader = new Loader(platform, items, { batch: 2, seed: 1, size: 8, augment: true, skipped });
    await expect(collect(loader.epoch(1))).rejects.toThrow('too many open files');
    expect(skipped.count).toBe(0);
  });

  it('ends the epoch where nothing can be read', async () => {
    const all = items.map((_, i) => i);
    await expect(collect(makeLoader(all).loader.epoch(1))).rejects.toThrow(/23 of 23 .*none can be read/);
  });
});

describe('a broken image among those that are looked at in order', () => {
  it('is left out, and so is a batch of which nothing is left', async () => {
    const { loader, skipped } = makeLoader([1, 4, 5, 6, 7, 22], { augment: false });
    const found = await collect(loader.epoch(1));
    expect(indicesOf(found)).toEqual([
      [0, 2, 3],
      [8, 9, 10, 11],
      [12, 13, 14, 15],
      [16, 17, 18, 19],
      [20, 21],
    ]);
    for (const { images, indices, hashes } of found) {
      expect(images.map(({ width }) => width - 20)).toEqual(indices);
      expect(hashes).toEqual(indices.map((index) => `hash of ${index}`));
    }
    expect(skipped.count).toBe(6);
  });
});
