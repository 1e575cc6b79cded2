/** What is not finite or has left its range is named in the step in which it appears. */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readLeaf } from '../../../../engine/gpu/memory.js';
import { variable } from '../../../../engine/graph/tensor.js';
import {
  HealthReader,
  LARGEST,
  MOST_SKIPPED,
  recordHealth,
} from '../../../../models/promptkd/shared/health.js';
import { TestRandom, testGpu } from '../../../helpers/check.js';
import { temporaryFolder } from '../../../helpers/files.js';
import { tinyStudent, tinyTeacher } from '../../../helpers/tinySteps.js';

const folder = temporaryFolder('health');
const gpu = await testGpu();
const stages = [
  ['stage 1', tinyTeacher],
  ['stage 2', tinyStudent],
] as const;
const cases = stages.flatMap(([name, make]) =>
  (['f32', 'f16'] as const).map((precision) => [name, precision, make] as const),
);

/** Not weights, and not inputs: factors of the graph, what a run counts, and what is written before every step. */
const NO_DATA = /scale|^scalar$|^steps since|learning rate|^share|^largest|^ones?$/;

const IN_FIRST_ROW = /^embedded classes$|positional_embedding$/;

describe.each(cases)('%s in %s', (name, precision, make) => {
  it('names NaN or infinity at a random place of everything that it reads, in the step that reads it', async () => {
    const step = await make(gpu, join(folder, `${name} ${precision}`), { precision });
    const random = new TestRandom(9);
    for (let s = 0; s < 3; s++) expect((await step.run()).fault).toBeUndefined();
    const places = step.leaves.filter(({ label }) => !NO_DATA.test(label));
    // Weights, images, prompts and momentum; class vectors and features.
    expect(places.length).toBeGreaterThan(40);
    for (const [p, leaf] of places.entries()) {
      await step.reset();
      expect((await step.run()).fault, `before ${leaf}`).toBeUndefined();
      // Prompts take the place of the words behind the first, and short sentences have no use for late positions.
      const within = IN_FIRST_ROW.test(leaf.label) ? leaf.shape.at(-1)! : leaf.size;
      const index = Math.floor(((random.next() + 1) / 2) * within);
      const value = p % 3 === 1 ? Number.POSITIVE_INFINITY : Number.NaN;
      const { losses, fault } = await step.run(0.01, { leaf, index, value });
      expect(fault, `${value} at ${index} of ${leaf}`).toMatch(/not finite|the loss is (NaN|-?Infinity)/);
      // What the loss cannot know, as it is computed before the update.
      const trained = leaf.label.replace('.momentum', '');
      if (leaf.label.endsWith('.momentum')) {
        expect(losses.loss).toBeGreaterThan(0);
        expect(fault).toContain(trained.replace('projection.', "projection's "));
        expect(fault).toMatch(/ is not finite$/);
      }
      if (/\.(mean|var)$/.test(leaf.label)) expect(fault).toMatch(/^the projection's bn\.(mean|var) is not/);
    }
    step.destroy();
  });

  it('says that a run has left its range when the learning rate is far too high, and not when it is not', async () => {
    const step = await make(gpu, join(folder, `${name} ${precision} rates`), { precision });
    for (const rate of [1e5, 1e6]) {
      await step.reset();
      expect((await step.run(rate)).fault, `at a rate of ${rate}`).toMatch(/has left its range/);
    }
    await step.reset();
    for (let s = 0; s < 12; s++) expect((await step.run(0.05)).fault).toBeUndefined();
    expect((await step.run(Number.NaN)).fault).toMatch(/are not finite$/);
    step.destroy();
  });
});

describe.each(stages)('%s with accumulated gradients', (name, make) => {
  it('finds it in the batch in which the update runs, also in the last of a run', async () => {
    const step = await make(gpu, join(folder, `${name} accumulated`), { accumulate: 2 });
    for (let s = 0; s < 4; s++) expect((await step.run()).fault).toBeUndefined();
    const leaf = step.state[1]!;
    const before = await readLeaf(gpu, step.parameters[1]!);
    expect((await step.run(0.01, { leaf, index: 5, value: Number.NaN })).fault).toBeUndefined();
    expect(await readLeaf(gpu, step.parameters[1]!)).toEqual(before);
    expect((await step.run()).fault).toMatch(/^the prompt vision\.\d is not finite$/);
    step.destroy();
  });
});

describe('loss scaling', () => {
  it('may skip steps, but not all of them', async () => {
    const step = await tinyStudent(gpu, join(folder, 'scaled'), { precision: 'f16' });
    const scale = step.state.find(({ label }) => label === 'loss scale')!;
    const first = await readLeaf(gpu, step.parameters[0]!);
    const { losses, fault } = await step.run(0.01, { leaf: scale, index: 0, value: 3e38 });
    expect([losses.loss > 0, fault]).toEqual([true, undefined]);
    expect(await readLeaf(gpu, step.parameters[0]!), 'the step was skipped').toEqual(first);
    for (let s = 0; s < 12; s++) expect((await step.run()).fault).toBeUndefined();
    expect(await readLeaf(gpu, step.parameters[0]!), 'later ones were not').not.toEqual(first);

    await step.run(0.01, { leaf: scale, index: 0, value: Number.NaN });
    for (let s = 2; s < MOST_SKIPPED; s++) expect((await step.run()).fault, `step ${s}`).toBeUndefined();
    expect((await step.run()).fault).toMatch(/none of the last 30 steps had finite gradients/);
    step.destroy();
  });
});

describe('faults in words', () => {
  const leaves = ['vision.0', 'projection.fc1.weight', 'projection.bn.var', 'visual.proj'].map((label) =>
    variable(new Float32Array(4), [4], label),
  );
  const reader = new HealthReader(recordHealth(leaves, [], false));
  const fault = (values: number[], loss = 1) => reader.fault({ loss }, [values], true);

  it('name what is wrong, and only that', () => {
    expect(fault([9e3, 10, 9e7, 1])).toBeUndefined();
    expect(fault([1, Number.POSITIVE_INFINITY, 1, 1])).toBe("the projection's fc1.weight is not finite");
    expect(fault([1, 1, 1, Number.POSITIVE_INFINITY], Number.NaN)).toBe(
      'the loss is NaN, and the weight visual.proj is not finite',
    );
    expect(fault([Infinity, Infinity, 1, 1])).toBe(
      "the prompt vision.0 and the projection's fc1.weight are not finite",
    );
    expect(fault([Infinity, Infinity, Infinity, Infinity])).toBe(
      'the prompt vision.0 and 3 others are not finite',
    );
    expect(fault([1, 2.5e7, 1, 1])).toBe(
      "the projection's fc1.weight has left its range: it has grown to 2.5e+7",
    );
    expect(fault([1, 1, 2e8, 1])).toContain("the projection's bn.var (a variance) has left its range");
    expect(fault([1, 1, 1, 1], Number.POSITIVE_INFINITY)).toBe('the loss is Infinity');
  });
});

it('names prompts, weights and the projection by their labels, and allows what lies at a limit', () => {
  const labels = ['text.12', 'vision.0', 'visual.text.0', 'text.0.bias', 'projection.fc1.weight'];
  const health = recordHealth(
    labels.map((label) => variable(new Float32Array(2), [2], label)),
    [],
    false,
  );
  const reader = new HealthReader(health);
  const fault = (at: number, value: number) =>
    reader.fault({ loss: 1 }, [labels.map((_, i) => (i === at ? value : 1))], true);
  expect(labels.map((_, i) => fault(i, Number.NaN)?.replace(' is not finite', ''))).toEqual([
    'the prompt text.12',
    'the prompt vision.0',
    'the weight visual.text.0',
    'the weight text.0.bias',
    "the projection's fc1.weight",
  ]);
  expect(fault(0, LARGEST)).toBeUndefined();
  expect(fault(0, LARGEST * 1.01)).toMatch(/^the prompt text.12 has left its range/);
});
