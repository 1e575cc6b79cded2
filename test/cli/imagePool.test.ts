/** Images in worker threads: the same batches, the same errors, and nothing left running. */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { defaultWorkers, type ImagePool, openImagePool } from '../../cli/platform/imagePool.js';
import { nodePlatform } from '../../cli/platform/node.js';
import { UserError } from '../../engine/errors.js';
import type { ImageItem } from '../../models/datasets/dataset.js';
import { loadDataset } from '../../models/datasets/loadDataset.js';
import { type Batch, Loader, type LoaderOptions } from '../../models/datasets/loader.js';
import { Skipped } from '../../models/datasets/skipped.js';
import { promptkd } from '../helpers/cli.js';
import { drawFewEmoji, emojiTeacher } from '../helpers/emojiData.js';
import { temporaryFolder } from '../helpers/files.js';

const folder = temporaryFolder('image-pool');
const data = join(folder, 'data');
/** The compiled worker, as users run it. */
const script = fileURLToPath(new URL('../../dist/cli/platform/imageWorker.js', import.meta.url));
const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
let items: readonly ImageItem[];
let pools: ImagePool[] = [];
beforeAll(async () => {
  await drawFewEmoji(data);
  items = (await loadDataset(nodePlatform, data)).train;
});
afterEach(async () => {
  await Promise.all(pools.map((pool) => pool.close()));
  pools = [];
});

function makeLoader(workers: number, images = items, options: Partial<LoaderOptions> = {}): Loader {
  const pool = openImagePool(nodePlatform, workers, script);
  pools.push(pool);
  return new Loader(pool.platform, images, { batch: 3, seed: 5, size: 32, augment: true, ...options });
}

async function batches(loader: Loader): Promise<Batch[]> {
  const all: Batch[] = [];
  for (const epoch of [1, 2]) for await (const batch of loader.epoch(epoch)) all.push(batch);
  return all;
}

describe('workers', () => {
  it.each([
    ['kept', { otherSize: 48, hash: true }],
    ['decoded again', { cacheBytes: 0 }],
    ['whole', { augment: false }],
  ])('give the batches of the main thread, images %s', async (_, options) => {
    const alone = await batches(makeLoader(0, items, options));
    expect(alone.length).toBeGreaterThan(4);
    for (const workers of [1, 3])
      expect(await batches(makeLoader(workers, items, options)), `${workers} workers`).toEqual(alone);
  });

  it('replace broken images by the same ones, and report the same', async () => {
    // Truncated in the middle, which only decoding finds.
    const whole = readFileSync(items[0]!.path);
    const broken = [1, 2, 3].map((n) => join(folder, `cut-${n}.png`));
    for (const path of broken) writeFileSync(path, whole.subarray(0, whole.length >> 1));
    const mixed = [...items];
    broken.forEach((path, i) => {
      mixed.splice(4 * i + 1, 0, { path, label: 0 });
    });
    const run = async (workers: number, augment: boolean) => {
      const skipped = new Skipped(mixed.length, 0.5);
      const found = await batches(makeLoader(workers, mixed, { augment, skipped }));
      return { found, text: skipped.text() };
    };
    for (const augment of [true, false]) {
      const alone = await run(0, augment);
      expect(alone.text.split('\n')).toHaveLength(4);
      const used = alone.found.flatMap((batch) => batch.items.map(({ path }) => path));
      expect(used.filter((path) => broken.includes(path))).toEqual([]);
      for (const workers of [1, 3]) expect(await run(workers, augment), `${workers} workers`).toEqual(alone);
    }
  });

  it('return plain buffers, never shared ones', async () => {
    for (const { images } of await batches(makeLoader(2)))
      for (const { source, table } of images) {
        expect(source.buffer).toBeInstanceOf(ArrayBuffer);
        expect(source.buffer.byteLength).toBe(source.length);
        expect(table.buffer).toBeInstanceOf(ArrayBuffer);
        expect(table.buffer.byteLength).toBe(table.length * 4);
      }
  });

  it('name a file that is not an image, with a hint', async () => {
    const path = join(folder, 'broken.png');
    writeFileSync(path, 'not a picture');
    const message = async (workers: number) => {
      const loader = makeLoader(workers, [{ path, label: 0 }], { batch: 1 });
      const error = await batches(loader).catch((e: unknown) => e);
      expect(error).toBeInstanceOf(UserError);
      return { message: (error as UserError).message, hint: (error as UserError).hint };
    };
    const expected = await message(0);
    expect(expected.message).toContain(path);
    expect(await message(2)).toEqual(expected);
  });

  it('are as many as are useful', () => {
    expect([1, 2, 3, 8, 64].map((cores) => defaultWorkers(false, cores))).toEqual([1, 1, 2, 4, 4]);
  });
});

describe('a command with workers', () => {
  const teacher = (out: string, ...more: string[]) => [
    ...['teacher', '--clip', emojiTeacher, '--data', data, '--shots', '2', '--batch', '2'],
    ...['--vision-depth', '1', '--text-depth', '1', '--out', out, ...more],
  ];

  it('ends by itself, with the same numbers as without workers', () => {
    const metrics = (workers: string) => {
      const out = join(folder, `run-${workers}`);
      const { status, stderr } = promptkd(teacher(out, '--epochs', '1', '--workers', workers), folder);
      expect(status, stderr).toBe(0);
      return nodePlatform.readText(join(out, 'metrics.jsonl'));
    };
    return expect(Promise.all([metrics('0'), metrics('2')]).then(([a, b]) => a === b)).resolves.toBe(true);
  });

  it('ends with Ctrl-C', async () => {
    const out = join(folder, 'interrupted');
    const child = spawn(process.execPath, [main, ...teacher(out, '--epochs', '500', '--workers', '2')]);
    const ended = new Promise((resolve) => {
      child.on('close', (code, signal) => resolve(signal ?? code));
    });
    for (let waited = 0; !existsSync(join(out, 'metrics.jsonl')) && waited < 1200; waited++)
      await new Promise((resolve) => setTimeout(resolve, 100));
    child.kill('SIGINT');
    // The exit code differs if the command was relaunched for the embedded adapter.
    expect(['SIGINT', 130]).toContain(await ended);
  });

  it('refuses an invalid number of workers', () => {
    const { status, stderr } = promptkd(teacher(join(folder, 'none'), '--workers', 'many'), folder);
    expect(status).toBe(2);
    expect(stderr).toContain('--workers');
  });
});
