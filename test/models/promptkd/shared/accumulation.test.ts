/** N batches of b with accumulated gradients are one batch of N x b, for both stages, where no BatchNorm is in between. */
import { describe, expect, it } from 'vitest';
import { readLeaf, write } from '../../../../engine/gpu/memory.js';
import { evaluate } from '../../../../engine/graph/reference.js';
import { constant, input, type Tensor, variable } from '../../../../engine/graph/tensor.js';
import { cast } from '../../../../engine/ops/cast.js';
import { multiply } from '../../../../engine/ops/multiply.js';
import { sum } from '../../../../engine/ops/reduce.js';
import { schedule } from '../../../../models/promptkd/shared/defaults.js';
import { gradientsAndUpdate } from '../../../../models/promptkd/shared/gradientsAndUpdate.js';
import { initialProjection, projectionVariables } from '../../../../models/promptkd/shared/projection.js';
import { promptVariables } from '../../../../models/promptkd/shared/prompts.js';
import { type StepGraph, TrainingStep } from '../../../../models/promptkd/shared/trainingStep.js';
import { teacherGraph } from '../../../../models/promptkd/stage1/step.js';
import { studentGraph } from '../../../../models/promptkd/stage2/step.js';
import { Random } from '../../../../models/random.js';
import { relativeError, TestRandom, testGpu } from '../../../helpers/check.js';
import { countCreations, NOTHING } from '../../../helpers/creations.js';
import { randomClip, textInputs, VOCABULARY } from '../../../helpers/randomClip.js';

const [BATCH, TIMES, UPDATES, CLASSES] = [2, 3, 2, 4];
const PIXELS = 3 * 8 * 8;
const size = { embed: 5, width: 64, layers: 2, textLayers: 1, patch: 4, resolution: 8 };
const sgdOptions = { momentum: 0.9, weightDecay: 5e-3 };

/** Inputs by what they are; row after row. */
type Rows = ReadonlyMap<string, { readonly width: number; readonly values: Float32Array | Int32Array }>;

function clip(seed: number) {
  const random = new TestRandom(seed);
  return { random, model: randomClip((count, scale = 1) => random.array(count, 1.7 * scale), size) };
}

function teacher(batch: number, accumulate: number): StepGraph & { inputs: Record<string, Tensor> } {
  const { random, model } = clip(1);
  const sequences = Array.from({ length: CLASSES }, (_, i) =>
    Int32Array.of(VOCABULARY - 2, 3 + i, 5, 7, 9, VOCABULARY - 1, ...Array(10).fill(0)),
  );
  const prompts = promptVariables(
    { text: [random.array(2 * 64, 0.2)], vision: [random.array(2 * 64, 0.2), random.array(2 * 64, 0.2)] },
    model.config,
  );
  const frozenText = constant(random.array(CLASSES * 5), [CLASSES, 5]);
  const graph = teacherGraph(
    model,
    prompts,
    { ...textInputs(model, sequences), frozenText },
    { batch, accumulate, ...sgdOptions, textWeight: 25, imageWeight: 10 },
  );
  return { ...graph, inputs: { images: graph.images, labels: graph.labels } };
}

function student(batch: number, accumulate: number): StepGraph & { inputs: Record<string, Tensor> } {
  const { random, model } = clip(2);
  const variables = {
    prompts: [random.variable([2, 64], 'vision.0', 0.2)],
    projection: projectionVariables(initialProjection(5, 6, Random.of(1), 1), 5, 6),
  };
  const classes = constant(random.array(CLASSES * 6), [CLASSES, 6]);
  const graph = studentGraph(
    model,
    variables,
    classes,
    { logitScale: 9 },
    {
      ...{ batch, accumulate, ...sgdOptions, temperature: 1, kdWeight: 20 },
    },
  );
  return { ...graph, inputs: { images: graph.images, features: graph.teacherInput } };
}

const rowsOf = (rows: Rows, from: number, count: number, inputs: Record<string, Tensor>) =>
  new Map<Tensor, Float32Array | Int32Array>(
    [...rows].map(([name, { width, values }]) => [
      inputs[name]!,
      values.slice(from * width, (from + count) * width),
    ]),
  );

const RATE = Float32Array.of(0.05);

/** The parameters after `UPDATES` updates of one batch each, in float64. */
function whole(graph: ReturnType<typeof teacher>, rows: Rows): Map<Tensor, ArrayLike<number>> {
  const kept = [...graph.parameters, ...graph.optimiser.state];
  let state = new Map<Tensor, ArrayLike<number>>(kept.map((leaf) => [leaf, leaf.leaf!.data!]));
  for (let update = 0; update < UPDATES; update++) {
    const feeds = rowsOf(rows, update * BATCH * TIMES, BATCH * TIMES, graph.inputs);
    const found = evaluate([], new Map<Tensor, ArrayLike<number>>([...state, ...feeds, [graph.rate, RATE]]), [
      ...graph.optimiser.updates,
    ]);
    state = new Map(kept.map((leaf) => [leaf, found.get(leaf)!]));
  }
  return state;
}

describe.each([
  [
    'stage 1',
    teacher,
    { width: 1, values: Int32Array.from({ length: 12 }, (_, i) => (i * 7) % CLASSES) },
    'labels',
  ],
  ['stage 2', student, { width: 6, values: new TestRandom(8).array(12 * 6) }, 'features'],
] as const)('accumulated gradients in %s', (_, make, other, name) => {
  it('train as one large batch does', async () => {
    const images = { width: PIXELS, values: new TestRandom(7).array(12 * PIXELS) };
    const rows: Rows = new Map<string, Rows extends ReadonlyMap<string, infer R> ? R : never>([
      ['images', images],
      [name, other],
    ]);
    const large = make(BATCH * TIMES, 1);
    expect(large.finish).toBeUndefined();
    const expected = whole(large, rows);

    const gpu = await testGpu();
    const graph = make(BATCH, TIMES);
    const step = await TrainingStep.compile(gpu, graph, { poison: true });
    const count = countCreations(gpu);
    for (let batch = 0; batch < UPDATES * TIMES; batch++) {
      for (const [leaf, values] of rowsOf(rows, batch * BATCH, BATCH, graph.inputs)) write(gpu, leaf, values);
      step.run(RATE[0]!);
      // Nothing moves before the last batch of an update.
      if (batch === TIMES - 2)
        for (const leaf of graph.parameters) expect(await readLeaf(gpu, leaf)).toEqual(leaf.leaf!.data);
    }
    expect(count().pipelines + count().bindGroups).toBe(NOTHING.pipelines + NOTHING.bindGroups);
    const pairs = (of: (g: StepGraph) => readonly Tensor[]) =>
      of(graph).map((leaf, i) => [leaf, of(large)[i]!] as const);
    for (const [leaf, reference] of [...pairs((g) => g.parameters), ...pairs((g) => g.optimiser.state)]) {
      const moved = relativeError(expected.get(reference)!, reference.leaf!.data as Float32Array);
      expect(moved, `${leaf} moves`).toBeGreaterThan(1e-4);
      expect(relativeError(await readLeaf(gpu, leaf), expected.get(reference)!), `${leaf}`).toBeLessThan(
        2e-4,
      );
    }
    step.destroy();
  });
});

describe('accumulated float16 gradients', () => {
  it('skip the update when one batch overflows, and start afresh', async () => {
    const gpu = await testGpu();
    const x = variable(Float32Array.of(1, -1, 0.5, 2), [4], 'x');
    const factor = input([1], 'factor');
    const rate = input([1], 'rate');
    // The gradient passes the cast in float16, times the scale of 1024.
    const loss = multiply(sum(cast(cast(x, 'f16'), 'f32')), factor);
    const options = { momentum: 0, weightDecay: 0, accumulate: 2 };
    const updates = gradientsAndUpdate(loss, [x], rate, options, true);
    const graph = { images: factor, rate, loss, parts: {}, inspected: [], ...updates };
    const step = await TrainingStep.compile(gpu, graph);
    const batch = (value: number) => {
      write(gpu, factor, Float32Array.of(value));
      step.run(0.25);
    };
    for (const value of [1, 1e5]) batch(value);
    expect([...(await readLeaf(gpu, x))]).toEqual([1, -1, 0.5, 2]);
    // The mean gradient (1 + 3) / 2 of every element, times the rate.
    for (const value of [1, 3]) batch(value);
    expect([...(await readLeaf(gpu, x))]).toEqual([0.5, -1.5, 0, 1.5]);
    step.destroy();
  });
});

describe('scaleLr', () => {
  const settings = { learningRate: 0.005, epochs: 20, warmupEpochs: 1, warmupLearningRate: 1e-5 };
  it("gives the authors' rates for their batch sizes, however an update's images come", () => {
    const rate = (batch: number, accumulate: number, scaleLr = true) =>
      schedule({ ...settings, batch, accumulate, scaleLr }, 8).rate;
    expect(rate(8, 1)).toBe(0.005);
    expect(rate(128, 1)).toBeCloseTo(0.08, 12);
    expect(rate(32, 8)).toBeCloseTo(0.16, 12);
    expect(rate(128, 1, false)).toBe(0.005);
  });
});
