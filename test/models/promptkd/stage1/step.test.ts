/** A step of stage 1 on a CLIP of two blocks: losses by the formulas, gradients by differences, and what a step changes. */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readLeaf, releaseAll, write } from '../../../../engine/gpu/memory.js';
import { evaluate } from '../../../../engine/graph/reference.js';
import { constant, type Tensor } from '../../../../engine/graph/tensor.js';
import { encodeText } from '../../../../models/clip/text.js';
import { encodeImages } from '../../../../models/clip/vision.js';
import { TrainingStep } from '../../../../models/promptkd/shared/trainingStep.js';
import { classInputs } from '../../../../models/promptkd/stage1/classInputs.js';
import {
  type TeacherGraph,
  type TeacherStepOptions,
  teacherGraph,
} from '../../../../models/promptkd/stage1/step.js';
import { relativeError, TestRandom, testGpu } from '../../../helpers/check.js';
import { temporaryFolder } from '../../../helpers/files.js';
import { loadClip } from '../../../helpers/loadClip.js';
import { cosines, crossEntropyOf, klOf, l1Of, rowsOf, unitRows } from '../../../helpers/plainLosses.js';
import { randomClip, textInputs } from '../../../helpers/randomClip.js';

const [BATCH, CLASSES, EMBED, START, END] = [3, 2, 5, 38, 39];
const sequences = [
  [START, 1, 1, 5, END],
  [START, 1, 1, 9, 7, END],
].map((tokens) => Int32Array.from({ length: 16 }, (_, i) => tokens[i] ?? 0));
const size = { embed: EMBED, width: 64, layers: 2, textLayers: 2, patch: 4, resolution: 8 };
const options: TeacherStepOptions = {
  batch: BATCH,
  momentum: 0.9,
  weightDecay: 5e-4,
  textWeight: 25,
  imageWeight: 10,
};
const labels = Int32Array.of(1, 0, 1);

function setUp(seed: number) {
  const random = new TestRandom(seed);
  const clip = randomClip((count, scale = 1) => random.array(count, 1.7 * scale), size);
  const prompt = (label: string) => random.variable([2, 64], label, 0.2);
  const prompts = {
    text: [prompt('text.0'), prompt('text.1')],
    vision: [prompt('vision.0'), prompt('vision.1')],
  };
  const frozen = random.array(CLASSES * EMBED);
  const classes = {
    ...textInputs(clip, sequences),
    frozenText: constant(frozen, [CLASSES, EMBED], 'frozen text'),
  };
  const images = random.array(BATCH * 3 * 64);
  return { random, clip, prompts, frozen, classes, images };
}

type SetUp = ReturnType<typeof setUp>;

/** Unit image and text features, with the prompts given. */
function unitFeatures(
  { clip, classes }: SetUp,
  images: Float32Array,
  prompts: { text: Tensor[]; vision: Tensor[] },
) {
  const leaf = constant(images, [BATCH, 3, 8, 8]);
  const image = encodeImages(clip.weights, clip.config, leaf, prompts.vision);
  const text = encodeText(clip.weights, clip.config, classes.embedded, classes.endRows, prompts.text);
  const found = evaluate([image, text]);
  const of = (tensor: Tensor) => unitRows(rowsOf(found.get(tensor)!, EMBED));
  return { image: of(image), text: of(text) };
}

/** All losses of PromptSRC by the formulas. */
function byFormulas(made: SetUp, images: Float32Array, { textWeight, imageWeight }: TeacherStepOptions) {
  const { clip, prompts, frozen } = made;
  const { image: u, text: w } = unitFeatures(made, images, prompts);
  const { image: z } = unitFeatures(made, images, { text: [], vision: [] });
  const f = unitRows(rowsOf(frozen, EMBED));
  const [q, q0] = [cosines(u, w, clip.logitScale), cosines(z, f, clip.logitScale)];
  const parts = {
    ce: crossEntropyOf(q, labels),
    scl_text: textWeight * l1Of(w, f),
    scl_image: imageWeight * l1Of(u, z),
    scl_logits: klOf(q0, q),
  };
  return { ...parts, loss: Object.values(parts).reduce((sum, part) => sum + part, 0) };
}

const feedsOf = (graph: TeacherGraph, images: Float32Array) =>
  new Map<Tensor, ArrayLike<number>>([
    [graph.images, images],
    [graph.labels, labels],
    [graph.rate, [0.1]],
  ]);

const lossesOf = (graph: TeacherGraph, feeds: ReadonlyMap<Tensor, ArrayLike<number>>) => {
  const tensors = { loss: graph.loss, ...graph.parts };
  const found = evaluate(Object.values(tensors), feeds);
  return Object.fromEntries(Object.entries(tensors).map(([name, t]) => [name, found.get(t)![0]!]));
};

function expectLosses(found: Record<string, number>, expected: Record<string, number>, digits: number) {
  expect(Object.keys(found).sort()).toEqual(Object.keys(expected).sort());
  for (const [name, value] of Object.entries(expected))
    expect(found[name]! / value, name).toBeCloseTo(1, digits);
}

describe('the graph of stage 1', () => {
  it.each([undefined, 'promptsrc'] as const)('has the losses of PromptSRC (method: %s)', (method) => {
    const made = setUp(1);
    const graph = teacherGraph(made.clip, made.prompts, made.classes, { ...options, method });
    expect(graph.images.shape).toEqual([BATCH, 3, 8, 8]);
    expect([graph.labels.shape, graph.labels.dtype]).toEqual([[BATCH], 'i32']);
    expect(graph.rate.shape).toEqual([1]);
    expect(graph.frozenFeatures).toBeUndefined();
    const expected = byFormulas(made, made.images, options);
    for (const value of Object.values(expected)) expect(value).toBeGreaterThan(1e-3);
    expectLosses(lossesOf(graph, feedsOf(graph, made.images)), expected, 6);
  });

  it.each(['ivlp', 'coop'] as const)('has cross-entropy alone with %s', (method) => {
    const made = setUp(2);
    const graph = teacherGraph(made.clip, made.prompts, made.classes, { ...options, method });
    const { ce } = byFormulas(made, made.images, options);
    expectLosses(lossesOf(graph, feedsOf(graph, made.images)), { ce, loss: ce }, 6);
  });

  it('takes image features of the frozen model that are given, for PromptSRC and for a method without vision prompts', () => {
    const made = setUp(3);
    const { clip, prompts, classes, images } = made;
    const { image: z } = unitFeatures(made, images, { text: [], vision: [] });
    const graph = teacherGraph(clip, prompts, classes, { ...options, views: 2 });
    expect(graph.frozenFeatures!.shape).toEqual([BATCH, EMBED]);
    const feeds = feedsOf(graph, images).set(graph.frozenFeatures!, z.flat());
    expectLosses(lossesOf(graph, feeds), byFormulas(made, images, options), 6);

    const text = { text: prompts.text, vision: [] };
    const expected = byFormulas({ ...made, prompts: text }, images, options);
    // Without vision prompts the frozen features are the student's own, and so are the images' terms.
    expect(expected.scl_image).toBe(0);
    const found = (views: number) => {
      const alone = teacherGraph(clip, text, classes, { ...options, views });
      const given = feedsOf(alone, images);
      if (alone.frozenFeatures) {
        given.set(alone.frozenFeatures, z.flat());
        // The step does not look at images then.
        given.delete(alone.images);
      }
      return lossesOf(alone, given);
    };
    for (const views of [2, 0]) {
      const { scl_image, ...rest } = found(views);
      expect(scl_image).toBe(0);
      expectLosses(rest, (({ scl_image: _, ...others }) => others)(expected), 6);
    }
  });

  it.each(['ivlp', 'coop'] as const)(
    'takes given features with %s where no vision prompt is tuned',
    (method) => {
      const made = setUp(10);
      const { clip, prompts, classes, images } = made;
      const all = { ...options, method, views: 2 };
      const { image: z } = unitFeatures(made, images, { text: [], vision: [] });
      const { ce } = byFormulas({ ...made, prompts: { ...prompts, vision: [] } }, images, options);
      const graph = teacherGraph(clip, { ...prompts, vision: [] }, classes, all);
      const feeds = feedsOf(graph, images).set(graph.frozenFeatures!, z.flat());
      feeds.delete(graph.images);
      expectLosses(lossesOf(graph, feeds), { ce, loss: ce }, 6);
      expect(teacherGraph(clip, prompts, classes, all).frozenFeatures).toBeUndefined();
      expect(
        teacherGraph(clip, { ...prompts, vision: [] }, classes, { ...all, views: 0 }).frozenFeatures,
      ).toBe(undefined);
    },
  );

  it('has the gradients that differences have, for every prompt', () => {
    const { clip, prompts, classes, images } = setUp(4);
    const graph = teacherGraph(clip, prompts, classes, options);
    expect(graph.parameters).toEqual([...prompts.text, ...prompts.vision]);
    const feeds = feedsOf(graph, images);
    const { loss } = graph;
    const found = evaluate(graph.gradients, feeds);
    const step = 1e-5;
    for (const [p, parameter] of graph.parameters.entries()) {
      const data = Float64Array.from(parameter.leaf!.data!);
      for (const i of [7, 64 + 21]) {
        const at = (delta: number) =>
          evaluate([loss], new Map([...feeds, [parameter, data.with(i, data[i]! + delta)]])).get(loss)![0]!;
        const expected = (at(step) - at(-step)) / (2 * step);
        expect(found.get(graph.gradients[p]!)![i], `${parameter} at ${i}`).toBeCloseTo(expected, 4);
      }
    }
  });

  it('moves prompts by SGD, and looks at them afterwards', () => {
    const { clip, prompts, classes, images } = setUp(5);
    const graph = teacherGraph(clip, prompts, classes, options);
    expect(graph.finish).toBeUndefined();
    const found = evaluate(graph.gradients, feedsOf(graph, images), graph.updates);
    const [watch] = graph.health.watches;
    expect(graph.health.watches).toHaveLength(1);
    for (const [p, parameter] of graph.parameters.entries()) {
      const gradient = found.get(graph.gradients[p]!)!;
      const moved = found.get(parameter)!;
      for (const [i, start] of parameter.leaf!.data!.entries())
        expect(moved[i]).toBeCloseTo(start - 0.1 * (gradient[i]! + 5e-4 * start), 10);
      const largest = moved.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
      expect(found.get(watch!.magnitudes)![p]).toBe(largest);
    }
  });

  it('moves them after the last of several batches, and looks at them then', () => {
    const { clip, prompts, classes, images } = setUp(6);
    const graph = teacherGraph(clip, prompts, classes, { ...options, accumulate: 2 });
    const feeds = feedsOf(graph, images);
    const after = evaluate([], feeds, graph.updates);
    for (const parameter of graph.parameters)
      expect(relativeError(after.get(parameter)!, parameter.leaf!.data as Float32Array)).toBe(0);
    const both = evaluate([], feeds, [...graph.updates, ...graph.finish!]);
    const [watch] = graph.health.watches;
    for (const [p, parameter] of graph.parameters.entries()) {
      expect(relativeError(both.get(parameter)!, parameter.leaf!.data as Float32Array)).toBeGreaterThan(1e-4);
      const largest = both.get(parameter)!.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
      expect(both.get(watch!.magnitudes)![p]).toBe(largest);
    }
  });

  it('needs the frozen text features for PromptSRC alone', () => {
    const { clip, prompts, classes } = setUp(7);
    const { frozenText, ...without } = classes;
    expect(() => teacherGraph(clip, prompts, without, options)).toThrow(/frozen text features/);
    for (const method of ['ivlp', 'coop'] as const)
      expect(() => teacherGraph(clip, prompts, without, { ...options, method })).not.toThrow();
    expect(frozenText.shape).toEqual([CLASSES, EMBED]);
  });
});

describe('a step of stage 1 on the device', () => {
  const folder = temporaryFolder('stage1-step');

  it.each([1, 2])(
    'has the losses and prompts of the reference, with %i batches an update',
    async (accumulate) => {
      const gpu = await testGpu();
      const made = setUp(8);
      const model = await loadClip(gpu, made.clip, join(folder, `${accumulate}`));
      const all = { ...options, accumulate };
      const classes = await classInputs(model, sequences, made.frozen);
      const step = await TrainingStep.compile(gpu, teacherGraph(model, made.prompts, classes, all), {
        inspect: true,
      });
      const graph = teacherGraph(made.clip, made.prompts, made.classes, all);
      let state = new Map<Tensor, ArrayLike<number>>();
      for (let batch = 0; batch < 2 * accumulate; batch++) {
        const images = made.random.array(BATCH * 3 * 64);
        write(gpu, step.graph.images, images);
        write(gpu, step.graph.labels, labels);
        step.run(0.1);
        const feeds = new Map([...state, ...feedsOf(graph, images)]);
        const last = (batch + 1) % accumulate === 0;
        const updates = [...graph.updates, ...((last && graph.finish) || [])];
        const found = evaluate([graph.loss, ...Object.values(graph.parts)], feeds, updates);
        const { losses, fault } = await step.readLosses();
        expect(fault).toBeUndefined();
        expect(Object.keys(losses)).toEqual(['loss', ...Object.keys(graph.parts)]);
        for (const [name, tensor] of Object.entries({ loss: graph.loss, ...graph.parts }))
          expect(losses[name]! / found.get(tensor)![0]!, name).toBeCloseTo(1, 3);
        for (const [p, parameter] of step.graph.parameters.entries()) {
          const expected = found.get(graph.parameters[p]!) ?? state.get(graph.parameters[p]!);
          expect(
            relativeError(await readLeaf(gpu, parameter), expected ?? parameter.leaf!.data!),
          ).toBeLessThan(1e-3);
        }
        const changed = updates.flatMap(({ op, inputs }) => op.mutates!.map((i) => inputs[i]!));
        state = new Map([...state, ...changed.map((leaf) => [leaf, found.get(leaf)!] as const)]);
      }
      // The gradients can be read, and everything is given back.
      expect(await step.plan.read(step.graph.gradients[0]!)).toHaveLength(2 * 64);
      step.destroy();
      model.release();
      releaseAll(gpu);
      expect(gpu.held).toBe(0);
    },
  );

  it('trains without frozen text features where the method has no use for them', async () => {
    const gpu = await testGpu();
    const made = setUp(9);
    const model = await loadClip(gpu, made.clip, join(folder, 'ivlp'));
    const classes = await classInputs(model, sequences);
    const graph = teacherGraph(model, made.prompts, classes, { ...options, method: 'ivlp' });
    const step = await TrainingStep.compile(gpu, graph);
    write(gpu, step.graph.images, made.images);
    write(gpu, step.graph.labels, labels);
    step.run(0.1);
    const { losses } = await step.readLosses();
    expect(losses.loss / byFormulas(made, made.images, options).ce).toBeCloseTo(1, 3);
    step.destroy();
    model.release();
  });
});
