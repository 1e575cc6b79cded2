/** The options of the paper's ablations as complete jobs on a few emoji: run, continue, reload. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { nodePlatform } from '../../cli/platform/node.js';
import { encodeSafetensors, openSafetensors } from '../../formats/safetensors.js';
import { loadCheckpoint } from '../../models/checkpoints/load.js';
import { loadModel } from '../../models/clip/model.js';
import type { Dataset } from '../../models/datasets/dataset.js';
import { sampleFewShot } from '../../models/datasets/fewShot.js';
import { ImageRunner } from '../../models/datasets/imageRunner.js';
import { loadDataset } from '../../models/datasets/loadDataset.js';
import { readClassVectors } from '../../models/promptkd/classVectors/classVectors.js';
import { classTensor, studentLogits } from '../../models/promptkd/shared/logits.js';
import { projectionVariables } from '../../models/promptkd/shared/projection.js';
import {
  parseSettings,
  StudentSettingsSchema,
  TeacherSettingsSchema,
} from '../../models/promptkd/shared/settings.js';
import { runTeacher } from '../../models/promptkd/stage1/run.js';
import { runStudent } from '../../models/promptkd/stage2/run.js';
import { distillationImages } from '../../models/promptkd/stage2/trainingImages.js';
import { Classifier } from '../../models/promptkd/use/classifier.js';
import { type ExportOptions, exportRun } from '../../models/promptkd/use/exportRun.js';
import { TestRandom } from '../helpers/check.js';
import { drawFewEmoji, emojiStudent, emojiTeacher } from '../helpers/emojiData.js';
import { temporaryFolder } from '../helpers/files.js';
import { testJob } from '../helpers/job.js';
import { randomClip } from '../helpers/randomClip.js';

const folder = temporaryFolder('ablations');
const at = (...parts: string[]) => join(folder, ...parts);
const data = at('data');
let dataset: Dataset;

const teacher = async (name: string, given: object) =>
  runTeacher(
    await testJob(),
    parseSettings(
      TeacherSettingsSchema,
      { clip: emojiTeacher, data, shots: 2, batch: 2, epochs: 2, ...given },
      'test',
    ),
    at(name),
  );

const studentSettings = (given: object) =>
  parseSettings(
    StudentSettingsSchema,
    { clip: emojiStudent, data, teacher: at('clip'), batch: 8, epochs: 2, views: 1, ...given },
    'test',
  );

const student = async (name: string, given: object) =>
  runStudent(await testJob(), studentSettings(given), at(name));

const tensorsOf = (...path: string[]) => openSafetensors(nodePlatform, at(...path));

/** Logits of the test images, as `eval` computes them. */
async function logitsOf(run: string, classVectors?: string): Promise<Float32Array> {
  const job = await testJob();
  const classifier = await Classifier.ofRun(job, at(run), dataset.classNames, { classVectors });
  const { rows: logits } = await classifier.logits(job, dataset.test, 'logits');
  classifier.destroy();
  return logits;
}

beforeAll(async () => {
  await drawFewEmoji(data);
  dataset = await loadDataset(nodePlatform, data);
  await teacher('clip', { method: 'clip', template: 'an emoji of a {}.' });
});

describe('a teacher', () => {
  it('that is plain CLIP is a run folder whose logits are those of zero-shot CLIP with its prompt', async () => {
    const { tensors, metadata } = await tensorsOf('clip', 'teacher.safetensors');
    expect(tensors.size).toBe(0);
    expect(metadata.template).toBe('an emoji of a {}.');
    await expect(exportRun(nodePlatform, at('clip'), at('clip.pt'), { format: 'pytorch' })).rejects.toThrow(
      /clip is plain CLIP and has learned nothing/,
    );
    // Nothing was trained, so the settings do not mention training.
    const config = readFileSync(at('clip', 'config.yaml'), 'utf8').split('\n');
    expect(config.map((line) => line.split(':')[0]).filter(Boolean)).toEqual([
      'kind',
      'method',
      'clip',
      'data',
      'template',
    ]);
    const job = await testJob();
    const plain = async (template: string) => {
      const classifier = await Classifier.plain(job, emojiTeacher, dataset.classNames, { template });
      const { rows: logits } = await classifier.logits(job, dataset.test, 'plain');
      classifier.destroy();
      return logits;
    };
    const found = await logitsOf('clip');
    expect(found).toEqual(await plain('an emoji of a {}.'));
    expect(found).not.toEqual(await plain('a photo of a {}.'));
  });

  it('of CoOp only has a text context, and keeps that of the last epoch', async () => {
    await teacher('coop', { method: 'coop', textLength: 3 });
    const { tensors, metadata } = await tensorsOf('coop', 'teacher.safetensors');
    expect([...tensors].map(([name, { shape }]) => [name, shape])).toEqual([['text.0', [3, 64]]]);
    expect(metadata.template).toBe('X X X {}.');
    const state = (await tensorsOf('coop', 'checkpoints', 'epoch-0002.safetensors')).tensors;
    expect([...state.keys()].sort()).toEqual(['text.0', 'text.0.momentum']);
    expect(await tensors.get('text.0')!.read()).toEqual(await state.get('text.0')!.read());
    const losses = readFileSync(at('coop', 'metrics.jsonl'), 'utf8').split('\n').filter(Boolean);
    for (const line of losses) {
      const { loss, ce, ...rest } = JSON.parse(line);
      expect(loss).toBe(ce);
      expect(Object.keys(rest)).toEqual(['epoch', 'step', 'rate']);
    }
  });
});

describe('full fine-tuning', () => {
  const given = { train: 'all', kdLoss: 'mse', kdWeight: 100, projectionLayers: 3, imagesPerClass: 3 };
  const trained = /^(visual\.|projection\.)/;

  it('stores every weight of the image encoder, and eval reloads all of them', async () => {
    await student('all', given);
    const stored = (await tensorsOf('all', 'student.safetensors')).tensors;
    const state = (await tensorsOf('all', 'checkpoints', 'epoch-0002.safetensors')).tensors;
    const original = await loadCheckpoint(nodePlatform, emojiStudent);
    const tower = [...original.tensors.keys()].filter((name) => name.startsWith('visual.'));
    expect([...stored.keys()].filter((name) => name.startsWith('visual.')).sort()).toEqual(tower.sort());
    for (const name of tower) {
      expect(await stored.get(name)!.read(), name).toEqual(await state.get(name)!.read());
      expect(await stored.get(name)!.read(), name).not.toEqual(await original.tensors.get(name)!.read());
    }

    // The same by another route: a checkpoint with the weights of the training state and its head.
    mkdirSync(at('merged'));
    const merged = await Promise.all(
      [...original.tensors].map(async ([name, tensor]) => ({
        name,
        dtype: 'F32' as const,
        shape: tensor.shape,
        data: await (state.get(name) ?? tensor).read(),
      })),
    );
    writeFileSync(at('merged', 'model.safetensors'), encodeSafetensors(merged));
    const job = await testJob();
    const model = await loadModel(job.gpu, await loadCheckpoint(nodePlatform, at('merged')), { text: false });
    const names = [...state.keys()].filter((name) => /^projection\.[^.]+\.[^.]+$/.test(name));
    expect(names).toHaveLength(6 + 4 + 4);
    const entries = names.map(async (name) => [name.slice(11), await state.get(name)!.read()] as const);
    const head = projectionVariables(Object.fromEntries(await Promise.all(entries)), 64, 96);
    const classes = classTensor(await readClassVectors(nodePlatform, at('all', 'class-vectors.safetensors')));
    const runner = await ImageRunner.create(job.gpu, model.config.vision.resolution, 16, (images) =>
      studentLogits(model, { prompts: [], projection: head }, classes, images),
    );
    expect(await logitsOf('all')).toEqual((await runner.runAll(job, dataset.test, 'merged')).rows);
    runner.destroy();
    model.release();
  });

  it('gives the same logits from exported files', async () => {
    const wanted = await logitsOf('all');
    const write = (out: string, options: ExportOptions) =>
      exportRun(nodePlatform, at('all'), at(out), options);
    await write('all.pth.tar', { format: 'pytorch' });
    await write('all-merged.safetensors', { format: 'safetensors', merged: true });
    await write('all-learned.safetensors', { format: 'safetensors' });
    expect(await logitsOf('all.pth.tar', at('all', 'class-vectors.safetensors'))).toEqual(wanted);
    expect(await logitsOf('all-merged.safetensors')).toEqual(wanted);
    expect(await logitsOf('all-learned.safetensors')).toEqual(wanted);
  });

  it('ends with the same bits when it is interrupted and continued', async () => {
    const interrupted = testJob((label, done) => {
      if (label.startsWith('stage 2') && done > 1) throw new Error('interrupted');
    });
    await expect(runStudent(await interrupted, studentSettings(given), at('again'))).rejects.toThrow(
      'interrupted',
    );
    await runStudent(await testJob(), studentSettings(given), at('again'), { resume: true });
    for (const file of ['student.safetensors', 'checkpoints/epoch-0002.safetensors'])
      expect(readFileSync(at('again', file)).equals(readFileSync(at('all', file))), file).toBe(true);
    const names = [...(await tensorsOf('again', 'student.safetensors')).tensors.keys()];
    expect(names.every((name) => trained.test(name))).toBe(true);
  });
});

describe("a student whose patches and resolution differ from its teacher's", () => {
  it('is distilled from crops at both resolutions, and evaluates at its own', async () => {
    const random = new TestRandom(5);
    // Patches of 16 pixels in images of 32, where the teacher has 8 and 48.
    const size = { embed: 5, width: 64, layers: 1, textLayers: 1, patch: 16, resolution: 32 };
    const { file } = randomClip((count, scale = 1) => random.array(count, 1.7 * scale), size);
    mkdirSync(at('coarse'));
    writeFileSync(at('coarse', 'model.safetensors'), file);
    await student('coarse-run', { clip: at('coarse'), views: 0, epochs: 1, projectionLayers: 1 });
    const { tensors } = await tensorsOf('coarse-run', 'student.safetensors');
    expect(Object.fromEntries([...tensors].map(([name, { shape }]) => [name, shape]))).toEqual({
      'vision.0': [4, 64],
      'projection.fc1.weight': [96, 5],
      'projection.fc1.bias': [96],
    });
    const logits = await logitsOf('coarse-run');
    expect(logits).toHaveLength(dataset.test.length * 4);
    // Different images have different logits, so they did reach the encoder.
    expect(new Set(logits).size).toBeGreaterThan(dataset.test.length);
    expect(logits.every(Number.isFinite)).toBe(true);
  });
});

describe("a student's own text features", () => {
  it('are stored as its class vectors, and only its prompts are trained', async () => {
    await student('own', { textFeatures: 'student', kdLoss: 'symmetric-kl', visionDepth: 1 });
    const stored = (await tensorsOf('own', 'student.safetensors')).tensors;
    expect([...stored.keys()]).toEqual(['vision.0']);
    const job = await testJob();
    const vectors = await readClassVectors(nodePlatform, at('own', 'class-vectors.safetensors'));
    const clip = await loadCheckpoint(nodePlatform, emojiStudent);
    expect(vectors).toMatchObject({ embed: 64, template: 'a photo of a {}.', clipHash: await clip.sha256() });
    expect(vectors.teacherHash).toBeUndefined();
    const plain = await Classifier.plain(job, emojiStudent, dataset.classNames);
    const { rows: zeroShot } = await plain.logits(job, dataset.test, 'plain');
    plain.destroy();
    const distilled = await logitsOf('own');
    expect(distilled).toHaveLength(zeroShot.length);
    expect(distilled).not.toEqual(zeroShot);
    await exportRun(nodePlatform, at('own'), at('own.safetensors'), { format: 'safetensors', merged: true });
    expect(await logitsOf('own.safetensors')).toEqual(distilled);
    await expect(
      exportRun(nodePlatform, at('own'), at('own.pth.tar'), { format: 'pytorch' }),
    ).rejects.toThrow(/own has no projection/);
    // After one step at the warm-up rate and one at the full rate, the prompted CLIP is still similar to the plain one.
    const norm = Math.hypot(...zeroShot);
    expect(Math.hypot(...distilled.map((v, i) => v - zeroShot[i]!)) / norm).toBeLessThan(0.5);
  });
});

describe('images per class', () => {
  it('are sampled by the seed, the same every time', () => {
    const draw = (imagesPerClass: number, seed: number) =>
      distillationImages(dataset, { imagesPerClass, seed }).map(({ path }) => path);
    expect(draw(0, 1)).toEqual(dataset.train.map(({ path }) => path));
    expect(draw(2, 1)).toEqual(sampleFewShot(dataset, 2, 1).train.map(({ path }) => path));
    expect(draw(2, 1)).toEqual(draw(2, 1));
    expect(draw(2, 1)).not.toEqual(draw(2, 2));
    const labels = distillationImages(dataset, { imagesPerClass: 3, seed: 5 }).map(({ label }) => label);
    expect([0, 1, 2, 3].map((c) => labels.filter((label) => label === c).length)).toEqual([3, 3, 3, 3]);
    // More than there are means all of them.
    expect(draw(99, 1)).toHaveLength(dataset.train.length);
  });

  it('need labels', async () => {
    const list = at('list.txt');
    writeFileSync(list, dataset.train.map(({ path }) => path).join('\n'));
    const unlabelled = await loadDataset(nodePlatform, list);
    expect(() => distillationImages(unlabelled, { imagesPerClass: 2, seed: 1 })).toThrow(/have no labels/);
    expect(distillationImages(unlabelled, { imagesPerClass: 0, seed: 1 })).toHaveLength(16);
  });
});
