/** Accuracies between the epochs of stage 2: right, at the right epochs, and without any influence on the training. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { nodePlatform } from '../../../../cli/platform/node.js';
import { write } from '../../../../engine/gpu/memory.js';
import { constant, type Tensor, variable } from '../../../../engine/graph/tensor.js';
import { matmul } from '../../../../engine/ops/matmul.js';
import { reshape } from '../../../../engine/ops/reshape.js';
import type { Dataset } from '../../../../models/datasets/dataset.js';
import { ImageRunner } from '../../../../models/datasets/imageRunner.js';
import { loadDataset } from '../../../../models/datasets/loadDataset.js';
import { Skipped } from '../../../../models/datasets/skipped.js';
import { argmax } from '../../../../models/promptkd/shared/evaluate.js';
import { parseSettings, StudentSettingsSchema } from '../../../../models/promptkd/shared/settings.js';
import { BestEpoch } from '../../../../models/promptkd/stage2/bestEpoch.js';
import { EpochEvaluator, testImages } from '../../../../models/promptkd/stage2/betweenEpochs.js';
import { runStudent } from '../../../../models/promptkd/stage2/run.js';
import { Classifier } from '../../../../models/promptkd/use/classifier.js';
import { TestRandom } from '../../../helpers/check.js';
import { drawFewEmoji, emojiStudent } from '../../../helpers/emojiData.js';
import { temporaryFolder } from '../../../helpers/files.js';
import { testJob } from '../../../helpers/job.js';
import { metricsOf } from '../../../helpers/runFiles.js';
import { makeTeacherRun } from '../../../helpers/studentRun.js';

const folder = temporaryFolder('epoch-accuracy');
let data: Dataset;
beforeAll(async () => {
  data = await loadDataset(nodePlatform, await drawFewEmoji(join(folder, 'data')));
});

describe('the test images', () => {
  it('are evaluated only when that is asked for, and must have labels', () => {
    expect(testImages(data, {})).toBeUndefined();
    const unlabelled = { ...data.test[0]!, label: -1 };
    expect(testImages({ ...data, test: [unlabelled, data.test[1]!] }, { evalEvery: 3 })).toEqual([
      data.test[1],
    ]);
    expect(() => testImages({ ...data, name: 'flat', test: [unlabelled] }, { evalEvery: 3 })).toThrow(
      /flat has no test images with labels, which evalEvery: 3 needs/,
    );
  });
});

describe('EpochEvaluator', () => {
  it('measures each half among its own classes after every n-th epoch and the last', async () => {
    const job = await testJob(() => {
      throw new Error('the training bar must stay');
    });
    // Logits are the variable itself, the same for every image; of five classes the first three are base.
    const scores = variable(Float32Array.of(1, 3, 2, 0, 4), [1, 5], 'scores');
    const ones = constant(new Float32Array(16).fill(1), [16, 1], 'ones');
    const items = [1, 0, 1, 4, 3, 1].map((label, i) => ({ path: data.test[i]!.path, label }));
    const evaluator = await EpochEvaluator.create(job.gpu, 32, () => matmul(ones, scores), {
      ...{ test: items, evalEvery: 2, epochs: 5 },
    });
    const notes: string[] = [];
    const lines = (epoch: number) => evaluator.after(epoch, job, (text) => notes.push(text));
    expect(await lines(1)).toEqual({});
    // Base: 1, 0, 1, 1 of which class 1 is right. Novel: 4 and 3. All: only class 4 wins.
    const found = { base: 75, novel: 50, harmonicMean: 60, all: 100 / 6 };
    expect(await lines(2)).toEqual({ test: { epoch: 2, ...found } });
    expect(notes.at(-1)).toBe('evaluating 6/6');
    expect(await lines(3)).toEqual({});
    write(job.gpu, scores, Float32Array.of(0, 0, 1, 5, 0));
    expect(await lines(5)).toEqual({
      test: { epoch: 5, base: 0, novel: 50, harmonicMean: 0, all: 100 / 6 },
    });
    evaluator.destroy();
  });

  it('leaves out a half without images', async () => {
    const job = await testJob();
    const test = [{ path: data.test[0]!.path, label: 1 }];
    const ones = constant(new Float32Array(16 * 2).fill(1), [16, 2], 'ones');
    const evaluator = await EpochEvaluator.create(job.gpu, 32, () => ones, { test, epochs: 1 });
    expect(await evaluator.after(1, job, () => {})).toEqual({ test: { epoch: 1, novel: 100, all: 0 } });
    evaluator.destroy();
  });
});

describe('images that are test images and decide between epochs', () => {
  it('are classified once for both', async () => {
    const job = await testJob();
    const scores = variable(Float32Array.of(1, 3, 2, 0, 4), [1, 5], 'scores');
    const ones = constant(new Float32Array(16).fill(1), [16, 1], 'ones');
    const test = [4, 1, 0, 1].map((label, i) => ({ path: data.test[i]!.path, label }));
    const base = { items: test.slice(1), classes: 3, name: 'base classes of the test set' };
    const best = new BestEpoch(job.gpu, base, [scores]);
    const evaluator = await EpochEvaluator.create(job.gpu, 32, () => matmul(ones, scores), {
      ...{ test, best, evalEvery: 2, epochs: 4 },
    });
    const notes: string[] = [];
    const linesOf = (epoch: number) => evaluator.after(epoch, job, (text) => notes.push(text));
    // Class 1 is the likeliest base class, class 4 the likeliest of all.
    const selectionAccuracy = 200 / 3;
    expect(await linesOf(1)).toEqual({ selection: { epoch: 1, selectionAccuracy } });
    expect(await linesOf(2)).toEqual({
      test: { epoch: 2, base: 200 / 3, novel: 100, harmonicMean: 80, all: 25 },
      selection: { epoch: 2, selectionAccuracy },
    });
    expect(notes).toEqual(['evaluating 3/3', 'evaluating 4/4']);
    evaluator.destroy();
    best.destroy();
  });
});

describe('the logits that decide between epochs', () => {
  it('are those of the image, wherever it stands among the test images', async () => {
    const job = await testJob();
    const weights = new TestRandom(3).array(3 * 32 * 32 * 5);
    const logits = (images: Tensor) =>
      matmul(reshape(images, [16, 3 * 32 * 32]), constant(weights, [3 * 32 * 32, 5], 'weights'));
    const runner = await ImageRunner.create(job.gpu, 32, 16, logits);
    const { rows } = await runner.runAll(job, data.test, 'logits');
    runner.destroy();
    const own = data.test.map(({ path }, i) => ({
      path,
      label: argmax(rows.subarray(i * 5, (i + 1) * 5), 0, 5),
    }));
    expect(new Set(own.map(({ label }) => label)).size).toBeGreaterThan(1);
    // What is no image does not count, wherever it stands.
    writeFileSync(join(folder, 'broken.png'), 'no image');
    own.splice(1, 0, { path: join(folder, 'broken.png'), label: 1 });
    const skipped = new Skipped(own.length, 0.5);
    const items = own.toReversed().slice(0, -1);
    const best = new BestEpoch(job.gpu, { items, classes: 5, name: 'some' }, [], skipped);
    const evaluator = await EpochEvaluator.create(job.gpu, 32, logits, {
      ...{ test: own, best, skipped },
      evalEvery: 1,
      epochs: 1,
    });
    expect((await evaluator.after(1, job, () => {})).selection).toEqual({ epoch: 1, selectionAccuracy: 100 });
    evaluator.destroy();
    best.destroy();
  });
});

describe('a run with --eval-every', () => {
  it('trains the same bits, and ends with what an evaluation of its student says', async () => {
    const job = await testJob();
    const teacher = join(folder, 'teacher');
    await makeTeacherRun(teacher);
    const run = async (name: string, more: object) => {
      const settings = {
        ...{ teacher, clip: emojiStudent, data: join(folder, 'data'), epochs: 3, batch: 4 },
        ...more,
      };
      const out = join(folder, name);
      await runStudent(job, parseSettings(StudentSettingsSchema, settings, 'the test'), out);
      return { out, lines: metricsOf(out) };
    };
    const plain = await run('plain', {});
    const watched = await run('watched', { evalEvery: 2 });
    const bytes = ({ out }: { out: string }) => readFileSync(join(out, 'student.safetensors'));
    expect(bytes(watched).equals(bytes(plain))).toBe(true);
    const seen = watched.lines.filter((line) => 'all' in line);
    expect(watched.lines.filter((line) => !('all' in line))).toEqual(plain.lines);
    expect(seen.map(({ epoch }) => epoch)).toEqual([2, 3]);

    const classifier = await Classifier.ofRun(job, watched.out, data.classNames);
    const { base, novel, harmonicMean, all } = await classifier.evaluate(job, data, 'test');
    classifier.destroy();
    expect(seen.at(-1)).toEqual({ epoch: 3, base, novel, harmonicMean, all });
    expect(readFileSync(join(watched.out, 'report.html'), 'utf8')).toContain('Accuracy by epoch');
  });
});
