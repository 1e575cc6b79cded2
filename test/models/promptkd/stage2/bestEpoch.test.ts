import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { nodePlatform } from '../../../../cli/platform/node.js';
import { readLeaf, write } from '../../../../engine/gpu/memory.js';
import { constant, variable } from '../../../../engine/graph/tensor.js';
import { matmul } from '../../../../engine/ops/matmul.js';
import type { Dataset, ImageItem } from '../../../../models/datasets/dataset.js';
import { loadDataset } from '../../../../models/datasets/loadDataset.js';
import type { Skipped } from '../../../../models/datasets/skipped.js';
import type { Job } from '../../../../models/job.js';
import { BestEpoch, countCorrect, decidingImages } from '../../../../models/promptkd/stage2/bestEpoch.js';
import { EpochEvaluator } from '../../../../models/promptkd/stage2/betweenEpochs.js';
import { testGpu } from '../../../helpers/check.js';
import { drawFewEmoji, fewEmoji } from '../../../helpers/emojiData.js';
import { temporaryFolder } from '../../../helpers/files.js';

const folder = temporaryFolder('best-epoch');
let data: Dataset;
beforeAll(async () => {
  const emoji = fewEmoji({ classes: 2, train: 4, test: 1 });
  const { train } = await loadDataset(nodePlatform, await drawFewEmoji(join(folder, 'data'), emoji));
  // Five classes by name only; the images' content is of no interest here.
  data = {
    name: 'made',
    classNames: ['a', 'b', 'c', 'd', 'e'],
    train,
    val: [0, 1, 2, 4].map((label, i) => ({ path: train[i]!.path, label })),
    test: [3, 4].map((label, i) => ({ path: train[i]!.path, label })),
  };
});

describe('the images that decide between epochs', () => {
  const choose = (select: 'last' | 'val' | 'reference', selectClasses: 'base' | 'all', from = data) =>
    decidingImages(from, { select, selectClasses });

  it('are none for the last epoch, and else of the split and the classes named', () => {
    expect(choose('last', 'all')).toBeUndefined();
    expect(choose('val', 'base')).toMatchObject({ classes: 3, name: 'base classes of the validation split' });
    expect(choose('val', 'base')!.items.map(({ label }) => label)).toEqual([0, 1, 2]);
    expect(choose('reference', 'all')).toMatchObject({ classes: 5, name: 'all classes of the test set' });
  });

  it('must exist', () => {
    expect(() => choose('reference', 'base')).toThrow(/made has no test set with labels/);
    expect(() => choose('val', 'all', { ...data, val: undefined })).toThrow(/made has no validation split/);
    const unlabelled = data.train.map(({ path }) => ({ path, label: -1 }));
    expect(() => choose('val', 'all', { ...data, val: unlabelled })).toThrow(/made has no validation split/);
    const flat = { name: 'flat', classNames: [], train: [], test: [] };
    expect(() => choose('val', 'all', flat)).toThrow(/flat has no validation split/);
  });

  it('are compared among the first classes only', () => {
    const items = [1, 0].map((label) => ({ path: `${label}`, label }));
    const logits = new Map([
      [items[0]!, [1, 3, 9]],
      [items[1]!, [4, 4, 0]],
    ] as const);
    expect(countCorrect({ items, classes: 2 }, logits)).toBe(2);
    expect(countCorrect({ items, classes: 3 }, logits)).toBe(1);
  });
});

describe('the best epoch', () => {
  it('is the first of equal ones, and its values come back', async () => {
    const gpu = await testGpu();
    const notes: string[] = [];
    const job: Job = {
      gpu,
      platform: nodePlatform,
      begin: () => {
        throw new Error('the training bar must stay');
      },
      note: (line) => notes.push(line),
    };
    // Logits are the variable itself, the same for every image.
    const scores = variable(new Float32Array(5), [1, 5], 'scores');
    const ones = constant(new Float32Array(16).fill(1), [16, 1], 'ones');
    const images = decidingImages(data, { select: 'val', selectClasses: 'all' })!;
    const best = new BestEpoch(gpu, images, [scores]);
    expect(best.state.map(({ size }) => size)).toEqual([2, 5]);
    const evaluator = await EpochEvaluator.create(gpu, 32, () => matmul(ones, scores), { best, epochs: 5 });
    const accuracies: unknown[] = [];
    // Right for 0, 1, 1, 1 and 0 of the four images, whose labels are 0, 1, 2 and 4.
    for (const [i, winner] of [3, 2, 1, 4, 3].entries()) {
      write(
        gpu,
        scores,
        Float32Array.from({ length: 5 }, (_, j) => (j === winner ? 1 + i : 0)),
      );
      accuracies.push((await evaluator.after(i + 1, job, () => {})).selection);
    }
    expect(accuracies).toEqual(
      [0, 25, 25, 25, 0].map((selectionAccuracy, i) => ({ epoch: i + 1, selectionAccuracy })),
    );
    await best.restore(job);
    expect([...(await readLeaf(gpu, scores))]).toEqual([0, 0, 2, 0, 0]);
    expect(notes).toEqual(['kept epoch 2, the best on all classes of the validation split: 25.0 %']);
    evaluator.destroy();
    best.destroy();
  });
});

it('the best epoch is given in percent of the images that can be read', async () => {
  const gpu = await testGpu();
  const images = decidingImages(data, { select: 'val', selectClasses: 'all' })!;
  const [broken, ...readable] = images.items;
  const skipped = { has: (path: string) => path === broken!.path } as Skipped;
  const best = new BestEpoch(gpu, images, [variable(new Float32Array(4), [4], 'scores')], skipped);
  const right = ({ label }: ImageItem) => Array.from({ length: 5 }, (_, i) => (i === label ? 1 : 0));
  await best.consider(3, new Map(readable.map((item) => [item, right(item)] as const)));
  const notes: string[] = [];
  await best.restore({
    gpu,
    platform: nodePlatform,
    begin: () => expect.fail(),
    note: (line) => notes.push(line),
  });
  best.destroy();
  expect(notes).toEqual([expect.stringMatching(/^kept epoch 3, .*: 100(\.0)? %$/)]);
});
