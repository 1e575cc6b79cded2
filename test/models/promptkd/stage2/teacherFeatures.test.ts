/**
 * The teacher's logits of each batch are those of the crops that the student sees, wherever its features come from: computed in
 * the step, kept for fixed crops, or read from a cache on disk.
 */
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { nodePlatform } from '../../../../cli/platform/node.js';
import { leafBuffer, releaseAll } from '../../../../engine/gpu/memory.js';
import { constant } from '../../../../engine/graph/tensor.js';
import type { ImageItem } from '../../../../models/datasets/dataset.js';
import { loadDataset } from '../../../../models/datasets/loadDataset.js';
import { Loader } from '../../../../models/datasets/loader.js';
import { GpuPreprocessor } from '../../../../models/images/gpuPreprocess.js';
import { loadPlainClip } from '../../../../models/promptkd/files/loadPlainClip.js';
import { TrainingStep } from '../../../../models/promptkd/shared/trainingStep.js';
import { studentGraph } from '../../../../models/promptkd/stage2/step.js';
import { openTeacherFeatures } from '../../../../models/promptkd/stage2/teacherFeatures.js';
import { relativeError, TestRandom } from '../../../helpers/check.js';
import { temporaryFolder } from '../../../helpers/files.js';
import { testJob } from '../../../helpers/job.js';
import { randomClip } from '../../../helpers/randomClip.js';
import { makeTinyWorld, type TinyWorld } from '../../../helpers/tinyWorld.js';

const folder = temporaryFolder('teacher-features');
const [BATCH, CLASSES, EMBED, TEACHER_SIZE, EPOCHS] = [3, 4, 32, 16, 2];
const settings = { batch: BATCH, seed: 5, cropScale: 0.3, crops: 16 };
/** Preprocessors are no part of what `held` counts. */
const [made, freed] = [vi.spyOn(GpuPreprocessor, 'create'), vi.spyOn(GpuPreprocessor.prototype, 'destroy')];
let world: TinyWorld;
let items: readonly ImageItem[];

beforeAll(async () => {
  world = await makeTinyWorld(join(folder, 'world'), { train: 2, test: 1 });
  items = (await loadDataset(nodePlatform, world.data)).train;
});

interface Source {
  /** Edge of the student's images; those of the teacher have 16 pixels. */
  readonly size: number;
  readonly views: number;
  readonly teacherCache?: string;
  readonly cropSeed?: number;
}

/** The teacher's logits of every batch of two epochs, and what the source says and needs. */
async function logitsFrom({ size, ...source }: Source) {
  const notes: string[] = [];
  const job = { ...(await testJob()), note: (line: string) => notes.push(line) };
  const { gpu, platform } = job;
  const teacher = await loadPlainClip(job, world.teacherClip, {});
  const features = await openTeacherFeatures(job, teacher, items, { ...settings, ...source, size });
  const random = new TestRandom(1);
  const shape = { embed: EMBED, width: 64, layers: 1, textLayers: 1, patch: 8, resolution: size };
  const student = randomClip((count, scale = 1) => random.array(count, scale), shape);
  const graph = studentGraph(
    student,
    { prompts: [random.variable([2, 64], 'vision.0')], projection: {} },
    constant(random.array(CLASSES * EMBED), [CLASSES, EMBED]),
    features.source,
    { batch: BATCH, momentum: 0, weightDecay: 0, temperature: 1, kdWeight: 1 },
  );
  const step = await TrainingStep.compile(gpu, graph, { inspect: true });
  const preprocessor = await GpuPreprocessor.create(gpu, { size, batch: BATCH });
  const options = { ...settings, ...source, size, augment: true, ...features.needs };
  const loader = new Loader(platform, items, options);
  const logits: number[] = [];
  for (let epoch = 1; epoch <= EPOCHS; epoch++)
    for await (const batch of loader.epoch(epoch)) {
      await features.prepare?.(batch);
      preprocessor.submit(batch.images, leafBuffer(gpu, graph.images));
      features.feed(graph, batch, epoch);
      step.run(0);
      logits.push(...(await step.plan.read(graph.teacherLogits)));
    }
  await features.flush?.();
  features.summary?.();
  features.destroy();
  // A cache waits for its encoder before it frees it.
  await setImmediate();
  preprocessor.destroy();
  step.destroy();
  teacher.model.release();
  releaseAll(gpu);
  expect(gpu.held).toBe(0);
  expect(freed).toHaveBeenCalledTimes(made.mock.calls.length);
  return { logits, notes, needs: features.needs, ownInput: graph.teacherInput !== graph.images };
}

describe.each([TEACHER_SIZE, 24])("the teacher's logits beside a student of %i pixels", (size) => {
  const otherSize = size === TEACHER_SIZE ? {} : { otherSize: TEACHER_SIZE };

  it('are those of the crops that the loader draws, also where these are fixed', async () => {
    const step = await logitsFrom({ size, views: 0 });
    expect(step.needs).toEqual(otherSize);
    expect(step.ownInput).toBe(size !== TEACHER_SIZE);
    expect(step.logits).toHaveLength(EPOCHS * 2 * BATCH * CLASSES);

    // A training loader with views draws the same crops every so many epochs; the step follows them too.
    const crops = await logitsFrom({ size, views: 2 });
    expect(crops.needs).toEqual({});
    const cache = await logitsFrom({ size, views: 2, teacherCache: join(folder, `cache ${size}`) });
    expect(relativeError(crops.logits, cache.logits)).toBeLessThan(2e-3);
    expect(relativeError(step.logits, crops.logits)).toBeGreaterThan(0.01);
  });

  it('are the same from a cache as from the step, in the run that fills it and in the next', async () => {
    const step = await logitsFrom({ size, views: 0 });
    const teacherCache = join(folder, `step cache ${size}`);
    const filled = await logitsFrom({ size, views: 0, teacherCache });
    expect(filled.needs).toEqual({ ...otherSize, hash: true });
    // Kept in float16.
    expect(relativeError(filled.logits, step.logits)).toBeLessThan(2e-3);
    // Small images have few crops, so some of them come again.
    expect(filled.notes.at(-1)).toMatch(/ \d\d\.\d % hits/);
    const found = await logitsFrom({ size, views: 0, teacherCache });
    expect(found.logits).toEqual(filled.logits);
    expect(found.notes.at(-1)).toMatch(/100 % hits/);
    // Another seed for the crops is not found there, and has other logits.
    const others = await logitsFrom({ size, views: 0, teacherCache, cropSeed: 9 });
    expect(others.notes.at(-1)).toMatch(/ \d\d\.\d % hits/);
    expect(relativeError(others.logits, step.logits)).toBeGreaterThan(0.01);
  });
});
