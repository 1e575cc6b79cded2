/**
 * What the settings of a run mean, against numbers that are worked out here: the learning rates, the loss of every step from the
 * images, labels and crops that the settings name, and which values are kept.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { nodePlatform } from '../../../cli/platform/node.js';
import type { Tensor } from '../../../engine/graph/tensor.js';
import type { ImageItem } from '../../../models/datasets/dataset.js';
import { sampleFewShot } from '../../../models/datasets/fewShot.js';
import { ImageRunner } from '../../../models/datasets/imageRunner.js';
import { loadDataset } from '../../../models/datasets/loadDataset.js';
import { Loader } from '../../../models/datasets/loader.js';
import type { Job } from '../../../models/job.js';
import { encodeClassVectors } from '../../../models/promptkd/classVectors/classVectors.js';
import { makeClassVectors } from '../../../models/promptkd/classVectors/makeClassVectors.js';
import { loadStudent } from '../../../models/promptkd/files/loadStudent.js';
import { loadTeacher } from '../../../models/promptkd/files/loadTeacher.js';
import { readTeacher } from '../../../models/promptkd/files/teacherFile.js';
import { classTensor, clipLogits, studentLogits } from '../../../models/promptkd/shared/logits.js';
import { openTokenizer } from '../../../models/promptkd/shared/openTokenizer.js';
import { initialPrompts } from '../../../models/promptkd/shared/prompts.js';
import { embedTokens } from '../../../models/promptkd/stage1/classInputs.js';
import { Classifier } from '../../../models/promptkd/use/classifier.js';
import { Random } from '../../../models/random.js';
import { relativeError } from '../../helpers/check.js';
import { temporaryFolder } from '../../helpers/files.js';
import { testJob } from '../../helpers/job.js';
import { crossEntropyOf, klOf, type Rows, rowsOf } from '../../helpers/plainLosses.js';
import { metricsOf, tensorsOf, withEpochEnds } from '../../helpers/runFiles.js';
import { makeTinyRuns, type TinyRun } from '../../helpers/tinyRuns.js';
import { makeTinyWorld, type TinyWorld, writeTinyClip } from '../../helpers/tinyWorld.js';

const folder = temporaryFolder('runs');
const at = (...parts: string[]) => join(folder, ...parts);
let world: TinyWorld;

let teacher: TinyRun;
let student: TinyRun;

beforeAll(async () => {
  ({ world, teacher, student } = await makeTinyRuns(folder));
});

describe('the learning rates of a run', () => {
  // Six images an update, where the paper has 8, and CoOp 32.
  it.each<['teacher' | 'student', object, number]>([
    ['teacher', { method: 'promptsrc' }, (0.005 * 6) / 8],
    ['teacher', { method: 'ivlp' }, (0.005 * 6) / 8],
    ['teacher', { method: 'coop' }, (0.002 * 6) / 32],
    ['student', {}, (0.005 * 6) / 8],
  ])(
    'of a %s with %j are those of its epochs, scaled from the batch of the method',
    async (stage, more, full) => {
      const out = `rates-${stage}-${'method' in more ? more.method : ''}`;
      const shape = { batch: 3, accumulate: 2, epochs: 3, warmupLearningRate: 2e-5 };
      await { teacher, student }[stage](out, { ...more, ...shape, scaleLr: true });
      const rates = new Map(metricsOf(at(out)).map(({ epoch, rate }) => [epoch, rate!]));
      expect([...rates.keys()]).toEqual([1, 2, 3]);
      // The warm-up; the full rate; (1 + cos(π / 3)) / 2 of it.
      for (const [i, rate] of [2e-5, full, 0.75 * full].entries())
        expect(rates.get(i + 1)! / rate, `epoch ${i + 1}`).toBeCloseTo(1, 6);
    },
  );
});

/** Parameters stay where they start, so that every loss is that of the values which the run saves. */
const STILL = { warmupEpochs: 9, warmupLearningRate: 1e-12 };
/** None of them is the default. */
const CROPS = { seed: 3, cropSeed: 11, cropScale: 0.4 };
const [BATCH, EPOCHS] = [2, 3];

/** The prompts of such a run, whose context starts from words. */
const TUNED = { textDepth: 1, visionDepth: 1, textLength: 4, visionLength: 4 };
const EMPTY = new Float32Array();

const classOf = ({ path }: ImageItem) => basename(dirname(path));

/** Logits of prepared images, a row each. */
async function logitsOf(job: Job, size: number, build: (images: Tensor) => Tensor) {
  const runner = await ImageRunner.create(job.gpu, size, BATCH, build);
  return async (images: Parameters<ImageRunner['run']>[0]): Promise<Rows> =>
    rowsOf(await runner.run(images), runner.width);
}

/** The losses in a run's metrics are means of those of so many batches. */
function expectLosses(out: string, losses: readonly number[], accumulate = 1): void {
  const found = metricsOf(at(out)).map(({ loss }) => loss!);
  expect(found).toHaveLength(losses.length / accumulate);
  for (const [i, loss] of found.entries()) {
    const batches = losses.slice(i * accumulate, (i + 1) * accumulate);
    const mean = batches.reduce((sum, value) => sum + value, 0) / accumulate;
    expect(loss / mean, `line ${i + 1}`).toBeCloseTo(1, 4);
  }
}

describe('the losses of a run of stage 1', () => {
  it('are those of the labels that the folders name, on the crops that the settings name', async () => {
    const names = ['candle', 'drum'];
    const contextInit = 'one small picture of';
    const more = { method: 'ivlp', classes: 'novel', shots: 3, views: 2, accumulate: 2 };
    const job = await testJob();
    const totals = new Map<string, number>();
    const begin: Job['begin'] = (label, total) => {
      totals.set(label, total);
      return job.begin(label, total);
    };
    const training = { ...STILL, batch: BATCH, epochs: EPOCHS };
    const settings = { ...more, contextInit, ...CROPS, ...training };
    await teacher('labels', settings, { job: { ...job, begin } });
    // Three images of each class are one update of two batches of two, and two that are left out.
    expect(totals.get('stage 1: tuning the teacher')).toBe(2 * EPOCHS);
    const { classNames, template } = await readTeacher(nodePlatform, at('labels'));
    expect([classNames, template]).toEqual([names, `${contextInit} {}.`]);
    const tuned = await loadTeacher(job, at('labels'));
    // Where it starts: at the embeddings of the words, and at what its seed draws.
    const start = initialPrompts(TUNED, tuned.model.config, Random.of(CROPS.seed, 'teacher prompts'), EMPTY);
    const saved = await tensorsOf(at('labels', 'teacher.safetensors'));
    expect(relativeError(saved.get('vision.0')!, start.vision[0]!)).toBeLessThan(1e-6);
    const words = (await openTokenizer(nodePlatform, { clip: world.teacherClip })).encode(contextInit);
    const context = await embedTokens(tuned.model, Int32Array.from(words.slice(0, TUNED.textLength)));
    expect(relativeError(saved.get('text.0')!, context)).toBeLessThan(1e-6);
    const classes = classTensor(await makeClassVectors(job, tuned, names));
    const logits = await logitsOf(job, 16, (images) =>
      clipLogits(tuned.model, tuned.prompts.vision, classes, images),
    );
    const drawn = sampleFewShot(await loadDataset(nodePlatform, world.data), 3, CROPS.seed).train;
    const items = drawn.filter((item) => names.includes(classOf(item)));
    const options = { ...CROPS, batch: BATCH, size: 16, views: 2, augment: true };
    const loader = new Loader(nodePlatform, items, options);
    const losses: number[] = [];
    for (let epoch = 1; epoch <= EPOCHS; epoch++) {
      let batches = 0;
      for await (const batch of loader.epoch(epoch)) {
        if (++batches > 2) break;
        const labels = batch.items.map((item) => names.indexOf(classOf(item)));
        losses.push(crossEntropyOf(await logits(batch.images), labels));
      }
    }
    expectLosses('labels', losses, 2);
  });
});

describe("the losses of a run of stage 2 compare with the teacher's logits of the same crops", () => {
  it.each<[string, object]>([
    ["the student's own class vectors", { textFeatures: 'student' }],
    ['a projection', { projectionLayers: 1 }],
    ['a projection, on fixed crops', { projectionLayers: 1, views: 2 }],
  ])('of %s', async (_, more) => {
    const out = `losses-${Object.values(more).join('-')}`;
    // Larger images than the teacher's, some of each class.
    const clip = writeTinyClip(at('large-clip'), 16, 5, 24);
    const training = { batch: BATCH, epochs: EPOCHS, imagesPerClass: 3, temperature: 2, kdWeight: 50 };
    await student(out, { clip, ...more, ...training, ...CROPS, ...STILL });
    const job = await testJob();
    const tuned = await loadTeacher(job, at('teacher'));
    const vectors = classTensor(await makeClassVectors(job, tuned, world.classNames));
    const teacherLogits = await logitsOf(job, 16, (images) =>
      clipLogits(tuned.model, tuned.prompts.vision, vectors, images),
    );
    const { model, variables, classes } = await loadStudent(job, at(out));
    expect(classes.embed).toBe('textFeatures' in more ? 16 : 32);
    const start = initialPrompts({ ...TUNED, textDepth: 0 }, model.config, Random.of(CROPS.seed, 'student'));
    const saved = await tensorsOf(at(out, 'student.safetensors'));
    expect(relativeError(saved.get('vision.0')!, start.vision[0]!)).toBeLessThan(1e-6);
    const ownLogits = await logitsOf(job, 24, (images) =>
      studentLogits(model, variables, classTensor(classes), images),
    );
    const items = sampleFewShot(await loadDataset(nodePlatform, world.data), 3, CROPS.seed).train;
    const views = 'views' in more && { views: 2 };
    const sizes = { size: 24, otherSize: 16, batch: BATCH };
    const loader = new Loader(nodePlatform, items, { ...CROPS, ...sizes, ...views, augment: true });
    const losses: number[] = [];
    for (let epoch = 1; epoch <= EPOCHS; epoch++)
      for await (const { images, otherImages } of loader.epoch(epoch))
        losses.push(50 * klOf(await teacherLogits(otherImages!), await ownLogits(images), 2));
    expectLosses(out, losses);
  });
});

describe('a run of a method that does not average', () => {
  it('ends with the prompts of its last epoch', async () => {
    const saved = await tensorsOf(at('teacher', 'teacher.safetensors'));
    const last = await tensorsOf(at('teacher', 'checkpoints', 'epoch-0002.safetensors'));
    expect([...saved.keys()].sort()).toEqual(['text.0', 'vision.0']);
    for (const [name, values] of saved) expect(values, name).toEqual(last.get(name));
  });
});

describe('a student that is looked at between epochs', () => {
  const training = { batch: 4, epochs: 4, warmupEpochs: 0, learningRate: 0.3 };

  it.each([
    ['prompts', 'vision.0', 0.3],
    ['all', 'visual.proj', 0.01],
  ])(
    'is kept as it was after its best epoch where it trains %s, running statistics too',
    async (train, one, learningRate) => {
      const { job, ends } = withEpochEnds(await testJob());
      const out = `best-${train}`;
      const settings = { ...training, train, learningRate, select: 'val', selectClasses: 'all' };
      await student(out, settings, { job });
      const looks = metricsOf(at(out)).filter((line) => 'selectionAccuracy' in line);
      expect(looks.map(({ epoch }) => epoch)).toEqual([1, 2, 3, 4]);
      const most = Math.max(...looks.map(({ selectionAccuracy }) => selectionAccuracy!));
      const best = looks.find(({ selectionAccuracy }) => selectionAccuracy === most)!.epoch!;
      expect(best).toBeLessThan(4);
      const saved = await tensorsOf(at(out, 'student.safetensors'));
      expect([...saved.keys()]).toEqual(expect.arrayContaining([one, 'projection.bn.mean']));
      for (const [name, values] of saved) {
        expect(values, name).toEqual(ends.get(best)!.get(name));
        expect(values, name).not.toEqual(ends.get(4)!.get(name));
      }
      const { test } = await loadDataset(nodePlatform, world.data);
      expect(test).toHaveLength(8);
      const classifier = await Classifier.ofRun(await testJob(), at(out), world.classNames);
      // The images of the validation split are the test images here.
      const { all } = await classifier.evaluate(
        await testJob(),
        await loadDataset(nodePlatform, world.data),
        'test',
      );
      classifier.destroy();
      expect(all).toBeCloseTo(most, 9);
    },
  );

  it('is measured by the labels of the data set, whatever the order of its class vectors', async () => {
    const job = await testJob();
    // One test image of the first class, two of the second, and so on: every class that is named for another one shows.
    const uneven = await makeTinyWorld(at('uneven'), { test: 4 });
    const file = join(uneven.data, 'split_zhou_EuroSAT.json');
    const split = JSON.parse(readFileSync(file, 'utf8')) as { test: [path: string, label: number][] };
    const few = split.test.filter(([path, label]) => Number(basename(path, '.png')) - 4 <= label);
    writeFileSync(file, JSON.stringify({ ...split, test: few }));
    const order = [1, 2, 3, 0].map((label) => world.classNames[label]!);
    const vectors = await makeClassVectors(job, await loadTeacher(job, at('teacher')), order);
    await nodePlatform.write(at('order.safetensors'), encodeClassVectors(vectors));
    const settings = { ...training, epochs: 1, evalEvery: 1, classVectors: at('order.safetensors') };
    await student('ordered', { ...settings, data: uneven.data });
    const data = await loadDataset(nodePlatform, uneven.data);
    expect(data.test).toHaveLength(10);
    const classifier = await Classifier.ofRun(job, at('ordered'), data.classNames);
    const { base, novel, harmonicMean, all } = await classifier.evaluate(job, data, 'test');
    classifier.destroy();
    expect(metricsOf(at('ordered')).at(-1)).toEqual({ epoch: 1, base, novel, harmonicMean, all });
  });
});
