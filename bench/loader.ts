/** `bench loader`: how many images a second are read, decoded and given a crop, without a GPU. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openImagePool } from '../cli/platform/imagePool.js';
import { nodePlatform } from '../cli/platform/node.js';
import { counted, milliseconds, number } from '../cli/terminal/numbers.js';
import { alternate, type Runner, type Timing } from '../engine/gpu/measure.js';
import type { ImageItem } from '../models/datasets/dataset.js';
import { loadDataset } from '../models/datasets/loadDataset.js';
import { Loader } from '../models/datasets/loader.js';
import type { Platform } from '../models/platform.js';
import { type Flags, withReport } from './command.js';
import { drawPhotos, PHOTOS } from './photos.js';
import { markdownTable } from './table.js';

export interface LoaderFlags extends Flags {
  /** Folder of images; generated ones without it. */
  readonly data?: string;
  readonly batch: number;
}

export interface LoaderRow {
  readonly images: string;
  readonly count: number;
  readonly batch: number;
  /** Threads that decode beside the main one. */
  readonly workers: number;
  /** Of an epoch. */
  readonly timing: Timing;
}

const SIZE = 224;
/** Numbers of workers to compare. */
const WORKERS = [0, 1, 2, 4] as const;

export const runLoader = (flags: LoaderFlags): Promise<string> =>
  withReport('loader', flags, () => measureLoader(flags), renderLoader);

export const renderLoader = (rows: readonly LoaderRow[]): string =>
  markdownTable({
    head: ['images', 'count', 'batch', 'workers', 'ms an epoch', 'images/s', 'samples x runs'],
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

/** Epochs of random crops; decoded images are not kept, so that each is decoded again. */
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
