/** Stage 2 in its variants, on CLIPs of two blocks: losses by hand, gradients by differences, and who changes. */
import { describe, expect, it } from 'vitest';
import { readLeaf, write } from '../../../../engine/gpu/memory.js';
import { Plan } from '../../../../engine/gpu/plan.js';
import { evaluate } from '../../../../engine/graph/reference.js';
import { constant, type Tensor, variable } from '../../../../engine/graph/tensor.js';
import { grad } from '../../../../engine/train/autograd.js';
import type { ClipGraph } from '../../../../models/clip/model.js';
import { Weights } from '../../../../models/clip/weights.js';
import {
  clipLogits,
  type StudentVariables,
  studentLogits,
} from '../../../../models/promptkd/shared/logits.js';
import {
  type DistillationLoss,
  distillationLoss,
  lossNames,
} from '../../../../models/promptkd/shared/losses.js';
import { initialProjection, projectionVariables } from '../../../../models/promptkd/shared/projection.js';
import { type StudentGraph, studentGraph } from '../../../../models/promptkd/stage2/step.js';
import { Random } from '../../../../models/random.js';
import { relativeError, TestRandom, testGpu } from '../../../helpers/check.js';
import { randomClip } from '../../../helpers/randomClip.js';

const [BATCH, CLASSES, TEACHER_EMBED] = [4, 3, 6];
const options = { batch: BATCH, momentum: 0.9, weightDecay: 5e-4, temperature: 2, kdWeight: 10 };

const studentSize = { embed: 5, width: 64, layers: 2, textLayers: 1, patch: 4, resolution: 8 };
/** Another resolution, patch, width and embedding. */
const teacherSize = { embed: TEACHER_EMBED, width: 128, layers: 1, textLayers: 1, patch: 5, resolution: 15 };

function clip(random: TestRandom, size: typeof studentSize, trainable = false) {
  const made = randomClip((count, scale = 1) => random.array(count, 1.7 * scale), size);
  if (!trainable) return made;
  const leaves = made.weights.all().filter((leaf) => leaf.label.startsWith('visual.'));
  const weights = leaves.map((leaf): [string, Tensor] => [
    leaf.label,
    variable(leaf.leaf!.data as Float32Array, leaf.shape, leaf.label),
  ]);
  return { ...made, weights: new Weights(new Map(weights)) };
}

function unitRows(random: TestRandom, rows: number, width: number, label: string): Tensor {
  const values = random.array(rows * width);
  for (let r = 0; r < rows; r++) {
    const row = values.subarray(r * width, (r + 1) * width);
    row.set(row.map((v) => v / Math.hypot(...row)));
  }
  return constant(values, [rows, width], label);
}

interface Variant {
  readonly kdLoss?: DistillationLoss;
  readonly prompts?: number;
  readonly layers?: number;
  readonly tuned?: boolean;
}

/** A step with values for its inputs; the teacher's features are given. */
function makeStep({ kdLoss = 'kl', prompts = 0, layers = 2, tuned = false }: Variant, seed = 1) {
  const random = new TestRandom(seed);
  const model = clip(random, studentSize, tuned);
  const variables: StudentVariables = {
    prompts: Array.from({ length: prompts }, (_, i) => random.variable([2, 64], `vision.${i}`)),
    projection: projectionVariables(
      initialProjection(5, TEACHER_EMBED, Random.of(seed), layers),
      5,
      TEACHER_EMBED,
    ),
    weights: tuned ? model.weights.all() : [],
  };
  const classes = unitRows(random, CLASSES, TEACHER_EMBED, 'classes');
  const graph = studentGraph(model, variables, classes, { logitScale: 14 }, { ...options, kdLoss });
  const feeds = new Map<Tensor, Float32Array>([
    [graph.images, random.array(graph.images.size)],
    [graph.teacherInput, unitRows(random, BATCH, TEACHER_EMBED, 'features').leaf!.data as Float32Array],
    [graph.rate, Float32Array.of(0.1)],
  ]);
  return { model, variables, graph, feeds };
}

/** Runs the step once on the device. */
async function run(graph: StudentGraph, feeds: ReadonlyMap<Tensor, Float32Array>, outputs: Tensor[]) {
  const gpu = await testGpu();
  const plan = await Plan.compile(gpu, { outputs, updates: graph.updates }, { poison: true });
  for (const [leaf, values] of feeds) write(gpu, leaf, values);
  plan.run();
  return plan;
}

describe('distillationLoss', () => {
  const rows = (...values: number[]) => constant(Float32Array.from(values), [1, values.length]);
  // p = (1/4, 3/4), r = (1/2, 1/2); features (1, 0) and (0.6, 0.8).
  const teacher = { logits: rows(0, Math.log(3)), features: rows(1, 0) };
  const student = { logits: rows(0, 0), features: rows(0.6, 0.8) };
  const klForward = (0.25 * Math.log(0.5) + 0.75 * Math.log(1.5)) / 2;
  const klBackward = (0.5 * Math.log(2) + 0.5 * Math.log(2 / 3)) / 2;

  it.each([
    ['kl', klForward],
    ['symmetric-kl', (klForward + klBackward) / 2],
    ['l1', (0.4 + 0.8) / 2],
    ['mse', (0.16 + 0.64) / 2],
  ] as const)('%s by hand', (kind, expected) => {
    const loss = distillationLoss(kind, teacher, student, 1);
    expect(evaluate([loss]).get(loss)![0]).toBeCloseTo(expected, 6);
  });

  it('divides logits by the temperature and multiplies by its square; features know none', () => {
    const hot = { ...teacher, logits: rows(0, 2 * Math.log(3)) };
    const value = (kind: DistillationLoss, t: number, of = teacher) => {
      const loss = distillationLoss(kind, of, student, t);
      return evaluate([loss]).get(loss)![0]!;
    };
    expect(value('kl', 2, hot)).toBeCloseTo(4 * klForward, 6);
    expect(value('symmetric-kl', 2, hot)).toBeCloseTo(2 * (klForward + klBackward), 6);
    expect(value('mse', 2)).toBe(value('mse', 1));
  });
});

describe('a step of stage 2', () => {
  it.each(lossNames())('has the right gradients of prompts and head with %s', async (kdLoss) => {
    const { graph, feeds } = makeStep({ kdLoss, prompts: 2, layers: 1 });
    await checkStepGradients(graph, feeds, 6);
  });

  it('has the right gradients of every weight in full fine-tuning', async () => {
    const { graph, feeds, model } = makeStep({ tuned: true, layers: 3 });
    const expected = [...model.weights.all()].map((leaf) => leaf.label);
    expect(graph.parameters.map((p) => p.label).slice(0, expected.length)).toEqual(expected);
    expect(expected).toHaveLength(8 + 12 * 2);
    await checkStepGradients(graph, feeds, 3);
  });

  it('moves every weight by SGD in full fine-tuning, as the reference says', async () => {
    const { graph, feeds } = makeStep({ tuned: true, layers: 1 });
    const gpu = await testGpu();
    const expected = evaluate([graph.loss], feeds, graph.updates);
    const plan = await run(graph, feeds, [graph.loss]);
    for (const leaf of [...graph.parameters, ...graph.optimiser.state]) {
      const found = await readLeaf(gpu, leaf);
      expect(relativeError(found, expected.get(leaf)!), leaf.label).toBeLessThan(1e-3);
      expect(relativeError(found, leaf.leaf!.data as Float32Array), leaf.label).toBeGreaterThan(1e-6);
    }
    plan.destroy();
  });

  it('changes nothing but the projection when it alone is trained', async () => {
    const { graph, feeds, model } = makeStep({ layers: 2 });
    expect(graph.parameters.every((p) => p.label.startsWith('projection.'))).toBe(true);
    const gpu = await testGpu();
    const plan = await run(graph, feeds, [graph.loss]);
    for (const leaf of model.weights.all().filter((w) => w.label.startsWith('visual.')))
      expect(await readLeaf(gpu, leaf)).toEqual(leaf.leaf!.data);
    for (const leaf of graph.parameters)
      expect(await readLeaf(gpu, leaf), leaf.label).not.toEqual(leaf.leaf!.data);
    plan.destroy();
  });

  it('gives each model images of its own resolution, and the teacher the logits of plain CLIP', async () => {
    const random = new TestRandom(8);
    const [student, teacher] = [clip(random, studentSize), clip(random, teacherSize)];
    const projection = projectionVariables(
      initialProjection(5, TEACHER_EMBED, Random.of(8), 1),
      5,
      TEACHER_EMBED,
    );
    const classes = unitRows(random, CLASSES, TEACHER_EMBED, 'classes');
    const source = { model: teacher, prompts: [] };
    const graph = studentGraph(student, { prompts: [], projection }, classes, source, options);
    expect(graph.images.shape).toEqual([BATCH, 3, 8, 8]);
    expect(graph.teacherInput.shape).toEqual([BATCH, 3, 15, 15]);
    const images = random.array(graph.teacherInput.size);
    const plain = clipLogits(teacher, [], classes, constant(images, graph.teacherInput.shape));
    const feeds = new Map([
      [graph.images, random.array(graph.images.size)],
      [graph.teacherInput, images],
    ]);
    const found = evaluate([graph.teacherLogits, graph.logits, plain], feeds);
    expect(found.get(graph.teacherLogits)).toEqual(found.get(plain));
    expect(found.get(graph.logits)).toHaveLength(BATCH * CLASSES);
  });
});

describe("the student's own text features", () => {
  it('make zero-shot CLIP of a student without prompts and projection', () => {
    const random = new TestRandom(9);
    const model: ClipGraph = clip(random, studentSize);
    const classes = unitRows(random, CLASSES, 5, 'own classes');
    const images = constant(random.array(2 * 3 * 64), [2, 3, 8, 8]);
    const student = studentLogits(model, { prompts: [], projection: {} }, classes, images);
    const plain = clipLogits(model, [], classes, images);
    const found = evaluate([student, plain]);
    expect(found.get(student)).toEqual(found.get(plain));
  });

  it("leave the teacher's logits to the teacher's class vectors", () => {
    const random = new TestRandom(10);
    const model = clip(random, studentSize);
    const own = unitRows(random, CLASSES, 5, 'own classes');
    const shared = unitRows(random, CLASSES, TEACHER_EMBED, 'shared classes');
    const variables = { prompts: [random.variable([2, 64], 'vision.0')], projection: {} };
    const graph = studentGraph(model, variables, own, { logitScale: 3, classes: shared }, options);
    const features = unitRows(random, BATCH, TEACHER_EMBED, 'features');
    const feeds = new Map([
      [graph.images, random.array(graph.images.size)],
      [graph.teacherInput, features.leaf!.data as Float32Array],
    ]);
    const [a, b] = [features, shared].map((t) => t.leaf!.data as Float32Array);
    const cosine = (row: number, c: number) =>
      Array.from({ length: TEACHER_EMBED }, (_, i) => i).reduce(
        (sum, i) => sum + a![row * TEACHER_EMBED + i]! * b![c * TEACHER_EMBED + i]!,
        0,
      );
    const found = evaluate([graph.teacherLogits, graph.logits], feeds);
    found.get(graph.teacherLogits)!.forEach((value, i) => {
      expect(value).toBeCloseTo(3 * cosine(Math.floor(i / CLASSES), i % CLASSES), 6);
    });
    expect(graph.parameters.map((p) => p.label)).toEqual(['vision.0']);
  });
});

/** Gradients on the device against the reference, and the reference against differences in float64. */
async function checkStepGradients(
  graph: StudentGraph,
  feeds: ReadonlyMap<Tensor, Float32Array>,
  samples: number,
): Promise<void> {
  const { loss, parameters } = graph;
  const gradients = grad(loss, parameters);
  const analytic = evaluate([loss, ...gradients], feeds);
  const plan = await run(graph, feeds, [loss, ...gradients]);
  expect(relativeError(await plan.read(loss), analytic.get(loss)!)).toBeLessThan(1e-4);
  const largest = Math.max(...gradients.map((g) => Math.hypot(...analytic.get(g)!)));
  const random = new TestRandom(3);
  const step = 1e-5;
  for (const [p, parameter] of parameters.entries()) {
    const gradient = analytic.get(gradients[p]!)!;
    // A bias in front of a BatchNorm, and that of the keys in attention, have gradient 0: what is found is rounding.
    const found = await plan.read(gradients[p]!);
    expect(relativeError(found, gradient, 1e-3 * largest), `${parameter} on the device`).toBeLessThan(2e-3);
    const data = Float64Array.from(parameter.leaf!.data!);
    const picked = Array.from({ length: samples }, () => Math.floor(((random.next() + 1) / 2) * data.length));
    const differences = picked.map((i) => {
      const at = (delta: number) => {
        const shifted = data.slice();
        shifted[i]! += delta;
        return evaluate([loss], new Map<Tensor, ArrayLike<number>>([...feeds, [parameter, shifted]])).get(
          loss,
        )![0]!;
      };
      return (at(step) - at(-step)) / (2 * step);
    });
    const error = relativeError(
      differences,
      picked.map((i) => gradient[i]!),
      1e-3,
    );
    expect(error, `${parameter} at ${picked} by differences`).toBeLessThan(1e-4);
  }
  plan.destroy();
}
