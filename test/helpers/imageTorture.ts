/** What a data set half of which is broken must come to; and what any bytes at all may do to the decoder. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { checkImages } from '../../models/datasets/checkImages.js';
import type { ImageItem } from '../../models/datasets/dataset.js';
import { Loader } from '../../models/datasets/loader.js';
import { BrokenImage } from '../../models/datasets/skipped.js';
import { prepareImage } from '../../models/images/preparedImage.js';
import { testCrop } from '../../models/images/preprocess.js';
import type { RgbImage } from '../../models/images/types.js';
import type { Job } from '../../models/job.js';
import type { Platform } from '../../models/platform.js';
import { Random } from '../../models/random.js';
import { imageSeeds, writeBrokenImages, writeGoodImages } from './oddImages.js';

export interface HalfBroken {
  /** Good images that were used with the pixels that they have. */
  readonly good: number;
  /** Broken ones that were skipped and named. */
  readonly skipped: number;
  /** What went otherwise. */
  readonly faults: readonly string[];
}

const hash = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

/**
 * Writes `count` good and `count` broken images into a folder, mixes them, and reads them as `eval` does and as a training
 * epoch does.
 *
 * @param platform with workers or without
 */
export async function readHalfBroken(platform: Platform, folder: string, count: number): Promise<HalfBroken> {
  const size = 16;
  const good = await writeGoodImages(join(folder, 'images'), count);
  const broken = await writeBrokenImages(join(folder, 'images'), count);
  const names = new Map(broken.map(({ path, kind }) => [path, kind]));
  const items = Random.of(1, 'mix').sample(
    [...good, ...broken].map(({ path }): ImageItem => ({ path, label: 0 })),
    2 * count,
  );
  const faults: string[] = [];
  const job: Pick<Job, 'platform' | 'begin'> = {
    platform,
    begin: () => ({ update: () => {}, end: () => {} }),
  };
  const { items: left, skipped } = await checkImages(job, items, { maxBroken: 1 });
  const options = { batch: 7, seed: 1, size, skipped };

  // In order: exactly the good ones, each with the bytes of its own pixels.
  const sources = new Map<string, string>();
  for await (const batch of new Loader(platform, left, { ...options, augment: false }).epoch(1))
    batch.items.forEach(({ path }, i) => {
      sources.set(path, hash(batch.images[i]!.source));
    });
  let right = 0;
  for (const { path, kind, pixels } of good) {
    const image: RgbImage = pixels ?? (await platform.decodeImage(path));
    const expected = hash(prepareImage(image, testCrop(image.width, image.height, size)).source);
    if (sources.get(path) === expected) right++;
    else faults.push(`${kind}: ${sources.has(path) ? 'other pixels' : (skipped.reason(path) ?? 'not used')}`);
  }
  for (const path of sources.keys()) if (names.has(path)) faults.push(`${names.get(path)}: was used`);
  for (const { path, kind } of broken) if (!skipped.has(path)) faults.push(`${kind}: is not named`);

  // At random: full batches of good ones alone.
  for await (const batch of new Loader(platform, left, { ...options, augment: true }).epoch(1)) {
    if (batch.images.length !== options.batch) faults.push('a batch is not full');
    for (const { path } of batch.items)
      if (names.has(path)) faults.push(`${names.get(path)}: was trained on`);
  }
  return { good: right, skipped: broken.filter(({ path }) => skipped.has(path)).length, faults };
}

export interface Mutated {
  readonly accepted: number;
  readonly refused: number;
  /** Seconds that the slowest one took. */
  readonly slowest: number;
  readonly faults: readonly string[];
}

/**
 * Changes image files at random, `count` times, and decodes what comes out: an image of the size that it says, or a refusal that
 * names the file. (A crash ends the process.)
 */
export async function decodeMutated(
  decode: (path: string, bytes: Uint8Array) => Promise<RgbImage>,
  count: number,
  seed = 1,
): Promise<Mutated> {
  const seeds = await imageSeeds();
  const result = { accepted: 0, refused: 0, slowest: 0 };
  const faults: string[] = [];
  for (let i = 0; i < count; i++) {
    const bytes = mutate(seeds, Random.of(seed, 'mutated image', i));
    const path = `mutated-${i}.png`;
    const started = process.cpuUsage();
    try {
      const { width, height, data } = await decode(path, bytes);
      result.accepted++;
      if (width < 1 || height < 1 || data.length !== 3 * width * height)
        faults.push(`${i}: ${width} x ${height} in ${data.length} bytes`);
    } catch (error) {
      result.refused++;
      if (!(error instanceof BrokenImage) || !error.message.includes(path) || error.reason === '')
        faults.push(`${i}: ${error}`);
    }
    const { user, system } = process.cpuUsage(started);
    result.slowest = Math.max(result.slowest, (user + system) / 1e6);
  }
  return { ...result, faults };
}

function mutate(seeds: readonly Uint8Array[], random: Random): Uint8Array {
  // A Buffer's own `slice` is no copy.
  let bytes = Uint8Array.from(seeds[random.below(seeds.length)]!);
  for (let changes = 1 + random.below(4); changes > 0; changes--) {
    const at = random.below(bytes.length);
    // Headers decide more than pixels do.
    const early = random.below(Math.min(bytes.length, 64));
    switch (random.below(9)) {
      case 0:
      case 7:
      case 8:
        bytes[at]! ^= 1 << random.below(8);
        break;
      case 1:
        bytes[early] = random.below(256);
        break;
      case 2:
        bytes.fill(0xff * random.below(2), early, early + 1 + random.below(4));
        break;
      case 3:
        bytes = bytes.slice(0, Math.max(1, at));
        break;
      case 4: {
        const other = seeds[random.below(seeds.length)]!;
        bytes = Uint8Array.from([...bytes.subarray(0, at), ...other.subarray(random.below(other.length))]);
        break;
      }
      case 5:
        bytes = Uint8Array.from([
          ...bytes.subarray(0, at),
          ...bytes.subarray(Math.max(0, at - random.below(40))),
        ]);
        break;
      case 6:
        bytes.copyWithin(at, early, early + 1 + random.below(32));
    }
  }
  return bytes;
}
