/** `bench loader`: how many images per second are read, decoded and cropped, without a GPU. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openImagePool } from '../cli/platform/imagePool.js';
import { nodePlatform } from '../cli/platform/node.js';
import { counted, milliseconds } from '../cli/terminal/timings.js';
import { alternate, type Runner, type Timing } from '../engine/gpu/measure.js';
import type { ImageItem } from '../models/datasets/dataset.js';
import { loadDataset } from '../models/datasets/loadDataset.js';
import { Loader } from '../models/datasets/loader.js';
import { number } from '../models/numbers.js';
import type { Platform } from '../models/platform.js';
import { type Flags, withReport } from './command.js';
import { drawPhotos, PHOTOS } from './photos.js';
import { markdownTable } from './table.js';

/** Flags of `bench loader`. */
export interface LoaderFlags extends Flags {
  /** Folder of images (default: generated images). */
  readonly data?: string;
  readonly batch: number;
}

/** Times of one number of workers. */
export interface LoaderRow {
  readonly images: string;
  readonly count: number;
  readonly batch: number;
  /** Worker threads; 0: the main thread decodes. */
  readonly workers: number;
  /** Time of an epoch. */
  readonly timing: Timing;
}

const SIZE = 224;
/** Numbers of workers that are compared. */
const WORKERS = [0, 1, 2, 4] as const;

/** Runs `bench loader` and returns its report. */
export const runLoader = (flags: LoaderFlags): Promise<string> =>
  withReport('loader', flags, () => measureLoader(flags), renderLoader);

/** Formats the rows as a table. */
const renderLoader = (rows: readonly LoaderRow[]): string =>
  markdownTable({
    head: ['images', 'count', 'batch', 'workers', 'ms per epoch', 'images/s', 'samples x runs'],
    rows: rows.map(({ images, count, batch, workers, timing }) => [
      images,
      String(count),
      String(batch),
      String(workers),
      milliseconds(timing),
      number((1000 * count) / timing.median),
      counted(timing),
    ]),
  });

async function measureLoader({ data, batch, quick, repeats }: LoaderFlags): Promise<LoaderRow[]> {
  const folder = mkdtempSync(join(tmpdir(), 'promptkd-bench-'));
  try {
    if (data === undefined) await drawPhotos(folder, quick ? 16 : 128);
    const source = data ?? folder;
    const { train, unlabelled = [] } = await loadDataset(nodePlatform, source);
    const items = (train.length > 0 ? train : unlabelled).slice(0, quick ? 16 : 512);
    const contenders = WORKERS.map((workers) => ({ workers, ...openImagePool(nodePlatform, workers) }));
    const timings = await alternate(
      contenders.map(({ platform }) => epochs(platform, items, batch)),
      { repeats, leastMs: 0 },
    );
    await Promise.all(contenders.map(({ close }) => close()));
    const images = data === undefined ? PHOTOS : 'given by --data';
    return contenders.map(({ workers }, i) => ({
      images,
      count: Math.floor(items.length / batch) * batch,
      batch,
      workers,
      timing: timings[i]!,
    }));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Runs epochs of random crops. Decoded images are not cached, so each is decoded again. */
const epochs = (platform: Platform, items: readonly ImageItem[], batch: number): Runner => ({
  async run(count) {
    const started = performance.now();
    for (let epoch = 0; epoch < count; epoch++) {
      const loader = new Loader(platform, items, {
        batch,
        seed: 1,
        size: SIZE,
        augment: true,
        cacheBytes: 0,
      });
      for await (const _ of loader.epoch(epoch));
    }
    return performance.now() - started;
  },
});
