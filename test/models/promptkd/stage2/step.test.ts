/** A step of stage 2 on CLIPs of two blocks: losses by the formulas in plain float64, and what a step changes. */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readLeaf, releaseAll, write } from '../../../../engine/gpu/memory.js';
import { evaluate } from '../../../../engine/graph/reference.js';
import { constant, type Tensor } from '../../../../engine/graph/tensor.js';
import { encodeImages } from '../../../../models/clip/vision.js';
import { initialProjection, projectionVariables } from '../../../../models/promptkd/shared/projection.js';
import { TrainingStep } from '../../../../models/promptkd/shared/trainingStep.js';
import {
  type StudentGraph,
  type StudentStepOptions,
  studentGraph,
  type TeacherSource,
} from '../../../../models/promptkd/stage2/step.js';
import { Random } from '../../../../models/random.js';
import { relativeError, TestRandom, testGpu } from '../../../helpers/check.js';
import { temporaryFolder } from '../../../helpers/files.js';
import { loadClip } from '../../../helpers/loadClip.js';
import { cosines, klOf, l1Of, mseOf, type Rows, rowsOf, unitRows } from '../../../helpers/plainLosses.js';
import { randomClip } from '../../../helpers/randomClip.js';

const [BATCH, CLASSES, EMBED, TEACHER_EMBED] = [4, 3, 5, 6];
const SCALE = 14;
const options: StudentStepOptions = {
  batch: BATCH,
  momentum: 0.9,
  weightDecay: 5e-4,
  temperature: 2,
  kdWeight: 10,
};

function setUp(seed: number) {
  const random = new TestRandom(seed);
  const size = { embed: EMBED, width: 64, layers: 2, textLayers: 1, patch: 4, resolution: 8 };
  const clip = (of: typeof size) => randomClip((count, scale = 1) => random.array(count, 1.7 * scale), of);
  const model = clip(size);
  const teacher = clip({ ...size, embed: TEACHER_EMBED, layers: 1 });
  const head = initialProjection(EMBED, TEACHER_EMBED, Random.of(seed));
  const variables = {
    prompts: [random.variable([2, 64], 'vision.0', 0.2), random.variable([2, 64], 'vision.1', 0.2)],
    projection: projectionVariables(head, EMBED, TEACHER_EMBED),
  };
  const classes = Float32Array.from(
    unitRows(rowsOf(random.array(CLASSES * TEACHER_EMBED), TEACHER_EMBED)).flat(),
  );
  const features = Float32Array.from(
    unitRows(rowsOf(random.array(BATCH * TEACHER_EMBED), TEACHER_EMBED)).flat(),
  );
  return { random, model, teacher, head, variables, classes, features, images: random.array(BATCH * 3 * 64) };
}

type SetUp = ReturnType<typeof setUp>;

const classTensor = (values: Float32Array) => constant(values, [CLASSES, TEACHER_EMBED], 'classes');

/** Image features of an encoder as rows, not normalised. */
function encoded(clip: SetUp['model'], images: Float32Array, prompts: readonly Tensor[] = []): Rows {
  const features = encodeImages(clip.weights, clip.config, constant(images, [BATCH, 3, 8, 8]), prompts);
  return rowsOf(evaluate([features]).get(features)!, clip.config.embed);
}

/** The paper's head with the statistics of the batch: Linear, BatchNorm, ReLU, Linear. */
function projected(rows: Rows, head: Readonly<Record<string, Float32Array>>): Rows {
  const linear = (name: string, x: Rows) =>
    x.map((row) =>
      Array.from(head[`${name}.bias`]!, (bias, o) =>
        row.reduce((sum, v, i) => sum + v * head[`${name}.weight`]![o * row.length + i]!, bias),
      ),
    );
  const hidden = linear('fc1', rows);
  const normal = hidden.map((row) =>
    row.map((v, i) => {
      const column = hidden.map((other) => other[i]!);
      const mean = column.reduce((sum, c) => sum + c, 0) / column.length;
      const variance = column.reduce((sum, c) => sum + (c - mean) ** 2, 0) / column.length;
      const unit = (v - mean) / Math.sqrt(variance + 1e-5);
      return Math.max(0, unit * head['bn.weight']![i]! + head['bn.bias']![i]!);
    }),
  );
  return linear('fc2', normal);
}

/** Features and logits of both, by the formulas; the teacher's features are given. */
function byFormulas(
  { model, head, variables, classes, images }: SetUp,
  teacherFeatures: Rows,
  scale: number,
) {
  const features = unitRows(projected(encoded(model, images, variables.prompts), head));
  const vectors = rowsOf(classes, TEACHER_EMBED);
  return {
    features,
    logits: cosines(features, vectors, model.logitScale),
    teacherLogits: cosines(teacherFeatures, vectors, scale),
  };
}

const feedsOf = (graph: StudentGraph, images: Float32Array, teacher?: Float32Array) =>
  new Map<Tensor, ArrayLike<number>>([
    [graph.images, images],
    [graph.rate, [0.05]],
    ...(teacher ? [[graph.teacherInput, teacher] as const] : []),
  ]);

const valuesOf = (tensor: Tensor, feeds: ReadonlyMap<Tensor, ArrayLike<number>>) =>
  evaluate([tensor], feeds).get(tensor)!;

describe('the graph of stage 2', () => {
  it.each([undefined, 'kl', 'symmetric-kl', 'l1', 'mse'] as const)(
    'has the loss by its formula: %s',
    (kdLoss) => {
      const made = setUp(1);
      const source: TeacherSource = { logitScale: SCALE };
      const graph = studentGraph(made.model, made.variables, classTensor(made.classes), source, {
        ...options,
        kdLoss,
      });
      expect(graph.images.shape).toEqual([BATCH, 3, 8, 8]);
      expect(graph.teacherInput.shape).toEqual([BATCH, TEACHER_EMBED]);
      expect(graph.rate.shape).toEqual([1]);
      const v = rowsOf(made.features, TEACHER_EMBED);
      const { features, logits, teacherLogits } = byFormulas(made, v, SCALE);
      const [p, r, t] = [teacherLogits, logits, options.temperature] as const;
      const distance = {
        kl: klOf(p, r, t),
        'symmetric-kl': (klOf(p, r, t) + klOf(r, p, t)) / 2,
        l1: l1Of(features, v),
        mse: mseOf(features, v),
      }[kdLoss ?? 'kl'];
      const feeds = feedsOf(graph, made.images, made.features);
      const found = evaluate([graph.loss, graph.logits, graph.teacherLogits], feeds);
      expect(found.get(graph.loss)![0]! / (options.kdWeight * distance)).toBeCloseTo(1, 6);
      expect(relativeError(found.get(graph.logits)!, logits.flat())).toBeLessThan(1e-6);
      expect(relativeError(found.get(graph.teacherLogits)!, teacherLogits.flat())).toBeLessThan(1e-6);
    },
  );

  it("looks at the same images as the teacher's encoder, with the prompts and the scale of the teacher", () => {
    const made = setUp(2);
    const prompts = [made.random.variable([2, 64], 'vision.0', 0.2)];
    const model = { ...made.teacher, logitScale: 21 };
    const graph = studentGraph(
      made.model,
      made.variables,
      classTensor(made.classes),
      { model, prompts },
      options,
    );
    expect(graph.teacherInput).toBe(graph.images);
    const v = unitRows(encoded(made.teacher, made.images, prompts));
    const { teacherLogits } = byFormulas(made, v, 21);
    const found = valuesOf(graph.teacherLogits, feedsOf(graph, made.images));
    expect(relativeError(found, teacherLogits.flat())).toBeLessThan(1e-6);
    // Nothing of the teacher is trained.
    expect(graph.parameters).not.toContain(prompts[0]);
  });

  it('compares the teacher with its own class vectors where there are such', () => {
    const made = setUp(3);
    const own = Float32Array.from(unitRows(rowsOf(made.random.array(CLASSES * 8), 8)).flat());
    const source = { logitScale: SCALE, classes: constant(own, [CLASSES, 8]) };
    const graph = studentGraph(made.model, made.variables, classTensor(made.classes), source, options);
    expect(graph.teacherInput.shape).toEqual([BATCH, 8]);
    const features = made.random.array(BATCH * 8);
    const found = valuesOf(graph.teacherLogits, feedsOf(graph, made.images, features));
    expect(relativeError(found, cosines(rowsOf(features, 8), rowsOf(own, 8), SCALE).flat())).toBeLessThan(
      1e-6,
    );
  });

  it('moves prompts and head by SGD, the running statistics by a tenth, and looks at all of them', () => {
    const made = setUp(4);
    const graph = studentGraph(
      made.model,
      made.variables,
      classTensor(made.classes),
      { logitScale: SCALE },
      options,
    );
    const { prompts, projection } = made.variables;
    const names = ['fc1.weight', 'fc1.bias', 'bn.weight', 'bn.bias', 'fc2.weight', 'fc2.bias'];
    expect(graph.parameters).toEqual([...prompts, ...names.map((name) => projection[name])]);
    expect(graph.finish).toBeUndefined();
    const found = evaluate(graph.gradients, feedsOf(graph, made.images, made.features), graph.updates);
    for (const [p, parameter] of graph.parameters.entries()) {
      const gradient = found.get(graph.gradients[p]!)!;
      for (const [i, start] of parameter.leaf!.data!.entries())
        expect(found.get(parameter)![i]).toBeCloseTo(start - 0.05 * (gradient[i]! + 5e-4 * start), 10);
    }
    // The hidden layer's mean over the batch, from a running mean of 0.
    const rows = encoded(made.model, made.images, prompts);
    const { 'fc1.weight': weight, 'fc1.bias': bias } = made.head;
    for (const [o, mean] of found.get(projection['bn.mean']!)!.entries()) {
      const hidden = rows.map((row) =>
        row.reduce((sum, v, i) => sum + v * weight![o * EMBED + i]!, bias![o]!),
      );
      expect(mean).toBeCloseTo(0.1 * (hidden.reduce((sum, h) => sum + h, 0) / BATCH), 9);
    }
    const watched = graph.health.watches.flatMap(({ tensors }) => tensors);
    expect(watched).toEqual([...graph.parameters, projection['bn.mean'], projection['bn.var']]);
    const magnitudes = found.get(graph.health.watches[0]!.magnitudes)!;
    for (const [i, tensor] of watched.entries())
      expect(magnitudes[i]).toBe(found.get(tensor)!.reduce((most, v) => Math.max(most, Math.abs(v)), 0));
  });

  it('moves the parameters after the last of several batches, and the running statistics after each', () => {
    const made = setUp(5);
    const all = { ...options, accumulate: 2 };
    const graph = studentGraph(
      made.model,
      made.variables,
      classTensor(made.classes),
      { logitScale: SCALE },
      all,
    );
    const feeds = feedsOf(graph, made.images, made.features);
    const changed = (updates: StudentGraph['updates']) =>
      new Set(updates.flatMap(({ op, inputs }) => op.mutates!.map((i) => inputs[i]!)));
    const { projection } = made.variables;
    const [batch, finish] = [changed(graph.updates), changed(graph.finish!)];
    for (const parameter of graph.parameters)
      expect([batch, finish].map((s) => s.has(parameter))).toEqual([false, true]);
    for (const name of ['bn.mean', 'bn.var']) expect(batch.has(projection[name]!)).toBe(true);
    const { watches } = graph.health;
    expect(watches.map(({ tensors }) => tensors.length)).toEqual([2, graph.parameters.length]);
    expect([batch.has(watches[0]!.magnitudes), finish.has(watches[1]!.magnitudes)]).toEqual([true, true]);
    const found = evaluate([], feeds, [...graph.updates, ...graph.finish!]);
    const largest = found.get(graph.parameters[0]!)!.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
    expect(found.get(watches[1]!.magnitudes)![0]).toBe(largest);
  });
});

describe('a step of stage 2 on the device', () => {
  const folder = temporaryFolder('stage2-step');

  it('has the losses and parameters of the reference, with two batches an update', async () => {
    const gpu = await testGpu();
    const made = setUp(6);
    const model = await loadClip(gpu, made.model, folder);
    const all = { ...options, accumulate: 2 };
    const source = { logitScale: SCALE };
    const recorded = studentGraph(model, made.variables, classTensor(made.classes), source, all);
    const step = await TrainingStep.compile(gpu, recorded);
    const graph = studentGraph(made.model, made.variables, classTensor(made.classes), source, all);
    let state = new Map<Tensor, ArrayLike<number>>();
    for (let batch = 0; batch < 3; batch++) {
      const images = made.random.array(BATCH * 3 * 64);
      write(gpu, step.graph.images, images);
      write(gpu, step.graph.teacherInput, made.features);
      step.run(0.05);
      const updates = [...graph.updates, ...(batch === 1 ? graph.finish! : [])];
      const feeds = new Map([...state, ...feedsOf(graph, images, made.features)]);
      const found = evaluate([graph.loss], feeds, updates);
      const { losses, fault } = await step.readLosses();
      expect(fault).toBeUndefined();
      expect(Object.keys(losses)).toEqual(['loss']);
      expect(losses.loss! / found.get(graph.loss)![0]!).toBeCloseTo(1, 3);
      const changed = updates.flatMap(({ op, inputs }) => op.mutates!.map((i) => inputs[i]!));
      state = new Map([...state, ...changed.map((leaf) => [leaf, found.get(leaf)!] as const)]);
    }
    for (const [p, parameter] of step.graph.parameters.entries()) {
      // BatchNorm takes the mean away: the bias in front of it moves by rounding and decay alone.
      if (parameter.label === 'projection.fc1.bias') continue;
      const expected = state.get(graph.parameters[p]!)!;
      expect(relativeError(await readLeaf(gpu, parameter), expected), parameter.label).toBeLessThan(2e-3);
    }
    await expect(step.plan.read(step.graph.logits)).rejects.toThrow(/not an output/);
    step.destroy();
    model.release();
    releaseAll(gpu);
    expect(gpu.held).toBe(0);
  });

  it('keeps logits and gradients for reading when it is inspected', async () => {
    const gpu = await testGpu();
    const made = setUp(7);
    const model = await loadClip(gpu, made.model, join(folder, 'inspect'));
    const source = { logitScale: SCALE };
    const recorded = studentGraph(model, made.variables, classTensor(made.classes), source, options);
    const step = await TrainingStep.compile(gpu, recorded, { inspect: true });
    const { graph, plan } = step;
    write(gpu, graph.images, made.images);
    write(gpu, graph.teacherInput, made.features);
    step.run(0.05);
    const { logits, teacherLogits } = byFormulas(made, rowsOf(made.features, TEACHER_EMBED), SCALE);
    expect(relativeError(await plan.read(graph.logits), logits.flat())).toBeLessThan(1e-3);
    expect(relativeError(await plan.read(graph.teacherLogits), teacherLogits.flat())).toBeLessThan(1e-4);
    for (const [p, gradient] of graph.gradients.entries())
      expect(await plan.read(gradient)).toHaveLength(graph.parameters[p]!.size);
    step.destroy();
    model.release();
  });
});
