/** Broken images: which ones stand in for them, how many are borne with, and what is said. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { nodePlatform } from '../../../cli/platform/node.js';
import { UserError } from '../../../engine/errors.js';
import { checkImages } from '../../../models/datasets/checkImages.js';
import type { ImageItem } from '../../../models/datasets/dataset.js';
import { type Batch, Loader, type LoaderOptions } from '../../../models/datasets/loader.js';
import { BrokenImage, Skipped } from '../../../models/datasets/skipped.js';
import { imageFormat } from '../../../models/images/imageFormat.js';
import { type Platform, UnreadableFile } from '../../../models/platform.js';
import { temporaryFolder } from '../../helpers/files.js';
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

describe('checkImages', () => {
  const folder = temporaryFolder('check-images');
  const png = Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex');
  const write = (name: string, content: string | Uint8Array): ImageItem => {
    writeFileSync(join(folder, name), content);
    return { path: join(folder, name), label: 0 };
  };
  const bars: string[] = [];
  const job = {
    platform: nodePlatform,
    begin: (label: string) => {
      bars.push(label);
      return { update: () => {}, end: () => {} };
    },
  };

  it.skipIf(process.platform === 'win32')('leaves out what cannot be an image, and says why', async () => {
    const good = [
      'a.png',
      'b.png',
      'c.png',
      'd.png',
      'e.png',
      'f.png',
      'g.png',
      'h.png',
      'i.png',
      'j.png',
    ].map((name) => write(name, png));
    const at = (name: string): ImageItem => ({ path: join(folder, name), label: 1 });
    const bad = [
      write('empty.png', ''),
      write('page.jpg', '<html>not found'),
      at('gone.png'),
      at('folder.png'),
      at('pipe.png'),
      at('zero.png'),
    ];
    mkdirSync(join(folder, 'folder.png'));
    execFileSync('mkfifo', [join(folder, 'pipe.png')]);
    symlinkSync('/dev/zero', join(folder, 'zero.png'));
    const mixed = [...bad.slice(0, 3), ...good, ...bad.slice(3)];
    const found = await checkImages(job, mixed, { maxBroken: 0.5 });
    expect(found.items).toEqual(good);
    expect(found.skipped.total).toBe(16);
    expect(found.skipped.text()).toBe(
      [
        'empty.png\tit is empty',
        'folder.png\tis a folder, not a file',
        'gone.png\tdoes not exist',
        'page.jpg\tit is in no known image format',
        'pipe.png\tis a pipe, not a file',
        'zero.png\tis a device, not a file',
      ]
        .map((line) => `${join(folder, line)}\n`)
        .join(''),
    );
    expect(found.skipped.summary('skipped.txt')).toBe('6 of 16 images were skipped: see skipped.txt');
    expect(bars).toEqual([]);

    // All are known before the error is raised.
    await expect(checkImages(job, mixed, { maxBroken: 0.3 })).rejects.toThrow(/^6 of 16 images are broken/);
    await expect(checkImages(job, mixed, { maxBroken: 0 })).rejects.toThrow(/gone\.png \(does not exist\)/);
    await expect(checkImages(job, bad, { maxBroken: 1 })).rejects.toThrow(/6 of 6 .* none can be read/);
    expect((await checkImages(job, good, { maxBroken: 0 })).skipped.summary()).toBeUndefined();
  });

  it('shows a bar where there are many, and ends with a fault of the machine', async () => {
    const many = Array.from({ length: 5000 }, (_, i) => ({ path: `${i}.png`, label: 0 }));
    const platform = { readStart: async () => png } as unknown as Platform;
    const found = await checkImages({ ...job, platform }, many, { maxBroken: 0 });
    expect(found.items).toEqual(many);
    expect(bars).toEqual(['looking at the image files']);
    const failing = (error: Error) =>
      checkImages(
        {
          ...job,
          platform: {
            readStart: async () => {
              throw error;
            },
          } as unknown as Platform,
        },
        many.slice(0, 2),
        { maxBroken: 1 },
      );
    await expect(failing(new UserError('too many open files', 'Close some.'))).rejects.toThrow(
      'too many open',
    );
    await expect(failing(new UnreadableFile('0.png', 'may not be read', 'Change it.'))).rejects.toThrow(
      'none can be',
    );
  });

  it('knows the formats by their first bytes', () => {
    const format = (...bytes: (number | string)[]) =>
      imageFormat(
        Uint8Array.from(
          bytes.flatMap((one) => (typeof one === 'string' ? [...Buffer.from(one, 'latin1')] : [one])),
        ),
      );
    expect(format(0xff, 0xd8, 0xff)).toBe('jpeg');
    expect(imageFormat(png)).toBe('png');
    expect([format('GIF89a'), format('GIF87a')]).toEqual(['gif', 'gif']);
    expect(format('RIFF....WEBPVP8 ')).toBe('webp');
    expect(format('RIFF....WAVE')).toBeUndefined();
    expect(format('BM......')).toBe('bmp');
    expect([format('II*', 0), format('MM', 0, '*'), format('II+', 0), format('MM', 0, '+')]).toEqual(
      Array(4).fill('tiff'),
    );
    expect(format('....ftypavif')).toBe('heif');
    expect([format('<svg '), format('%PDF-1.7'), format('PK'), format()]).toEqual(Array(4).fill(undefined));
  });
});

describe('Skipped', () => {
  it('names the first twenty in a message, and all in a file that reads back', () => {
    const skipped = new Skipped(40, 0.5);
    for (let i = 20; i >= 0; i--) skipped.note(`${String(i).padStart(2, '0')}.png`, 'it is empty');
    const error = (() => {
      try {
        skipped.check();
      } catch (e) {
        return e as UserError;
      }
    })();
    expect(error).toBeInstanceOf(UserError);
    expect(error?.message).toMatch(
      /^21 of 40 .*: 00\.png \(it is empty\); .*19\.png \(it is empty\); and 1 more$/,
    );
    expect(error?.mend).toContain('--max-broken');
    expect(skipped.text().split('\n')).toHaveLength(22);
    const later = new Skipped(40, 1);
    later.restore(skipped.text());
    expect(later.text()).toBe(skipped.text());
  });

  it('keeps a file once, with its first reason, on one line', () => {
    const skipped = new Skipped(3, 1);
    skipped.add('a\nb\t\u001b[31m.png', 'first');
    skipped.add('a\nb\t\u001b[31m.png', 'second');
    expect(skipped.text()).toBe('a\\x0ab\\x09\\x1b[31m.png\tfirst\n');
    expect(skipped.summary()).toBe('1 of 3 images was skipped: a\\x0ab\\x09\\x1b[31m.png (first)');
    skipped.expect(2);
    expect(skipped.said()).toBe('1 of 5 images was skipped');
  });
});
