/** The loop itself, with steps that only count: what is logged, what is in flight, and how it ends. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { nodePlatform } from '../../../cli/platform/node.js';
import { UserError } from '../../../engine/errors.js';
import type { ImageItem } from '../../../models/datasets/dataset.js';
import { Loader } from '../../../models/datasets/loader.js';
import type { Platform } from '../../../models/platform.js';
import { withRunFolder } from '../../../models/runs/runFolder.js';
import { type TrainingLoop, train } from '../../../models/runs/train.js';
import { temporaryFolder } from '../../helpers/files.js';
import { testJob } from '../../helpers/job.js';
import { syntheticImage } from '../../helpers/syntheticImage.js';

const folder = temporaryFolder('train');
const items: ImageItem[] = Array.from({ length: 13 }, (_, i) => ({ path: `${i}.png`, label: 0 }));
const pictures = { decodeImage: async () => syntheticImage(9, 9) } as unknown as Platform;

/** A loop whose step `n`, counted from 1 over all epochs, has the loss `lossOf(n)`. */
function makeLoop(lossOf: (step: number) => number, options: Partial<TrainingLoop> = {}) {
  const seen = { steps: 0, read: 0, mostInFlight: 0, indices: [] as number[][] };
  const { accumulate = 1 } = options;
  const loop: TrainingLoop = {
    label: 'test',
    epochs: 2,
    loader: new Loader(pictures, items, { batch: 2, seed: 3, size: 8, augment: true, multiple: accumulate }),
    batch: 2,
    flops: 1e6,
    rate: (epoch) => epoch / 10,
    step: ({ indices }) => {
      seen.steps++;
      seen.indices.push(indices);
      seen.mostInFlight = Math.max(seen.mostInFlight, seen.steps - seen.read);
    },
    losses: async () => {
      const loss = lossOf(seen.steps);
      await new Promise((resolve) => setTimeout(resolve, 1));
      seen.read++;
      return { losses: { loss, part: 10 * loss } };
    },
    state: new Map(),
    ...options,
  };
  return { loop, seen };
}

let runs = 0;
async function run(loop: TrainingLoop) {
  const out = join(folder, String(++runs));
  const job = await testJob();
  const mean = await withRunFolder(nodePlatform, out, 'teacher', {}, {}, (target) =>
    train(job, target, loop),
  );
  const lines = (file: string): Record<string, unknown>[] =>
    readFileSync(join(out, file), 'utf8')
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line));
  return { mean, lines };
}

describe('train', () => {
  it('logs every step in order, with three of them in flight, and one line of timing an epoch', async () => {
    const { loop, seen } = makeLoop((step) => step);
    const { mean, lines } = await run(loop);
    // 13 images in batches of 2: six steps an epoch.
    expect(lines('metrics.jsonl')).toEqual(
      Array.from({ length: 12 }, (_, i) => ({
        epoch: i < 6 ? 1 : 2,
        step: (i % 6) + 1,
        rate: i < 6 ? 0.1 : 0.2,
        loss: i + 1,
        part: 10 * (i + 1),
      })),
    );
    expect(mean).toBe((7 + 8 + 9 + 10 + 11 + 12) / 6);
    expect(seen.mostInFlight).toBe(3);
    const timing = lines('timing.jsonl');
    expect(timing).toMatchObject([
      { epoch: 1, steps: 6, images: 12 },
      { epoch: 2, steps: 6, images: 12 },
    ]);
    for (const { waits } of timing as { waits: Record<string, number> }[])
      expect(waits.decode! + waits.host! + waits.gpu!).toBeCloseTo(1, 2);
  });

  it('logs a line for each update, the mean of its batches, where gradients are accumulated', async () => {
    const { loop, seen } = makeLoop((step) => step, { accumulate: 4, epochs: 1 });
    const { lines } = await run(loop);
    // One update of four batches fits into 13 images.
    expect(lines('metrics.jsonl')).toEqual([{ epoch: 1, step: 1, rate: 0.1, loss: 2.5, part: 25 }]);
    expect(new Set(seen.indices.flat()).size).toBe(8);
  });

  it('stops when the loss is no number, and leaves nothing', async () => {
    const { loop } = makeLoop((step) => (step === 3 ? Number.NaN : 1));
    const error = await run(loop).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(UserError);
    expect((error as UserError).message).toContain('step 3 of epoch 1: the loss is NaN');
    expect(await nodePlatform.stat(join(folder, String(runs)))).toBeUndefined();
  });

  it('continues a run that ended between the lines of its first epoch and its checkpoint', async () => {
    const { loop } = makeLoop((step) => step);
    const { lines } = await run(loop);
    const out = join(folder, String(runs));
    const whole = readFileSync(join(out, 'metrics.jsonl'), 'utf8');
    rmSync(join(out, 'checkpoints'), { recursive: true });
    writeFileSync(join(out, 'metrics.jsonl'), whole.slice(0, whole.length / 3));
    const job = await testJob();
    const again = makeLoop((step) => step).loop;
    await withRunFolder(nodePlatform, out, 'teacher', {}, { resume: true }, (target) =>
      train(job, target, again),
    );
    expect(readFileSync(join(out, 'metrics.jsonl'), 'utf8')).toBe(whole);
    expect(lines('timing.jsonl')).toHaveLength(2);
  });

  it('refuses to accumulate more than there is', () => {
    expect(() => makeLoop(() => 1, { accumulate: 7 })).toThrow(/batch of 2 times 7 .* \(13 images\)/);
  });
});
