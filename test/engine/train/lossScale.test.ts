import { describe, expect, it } from 'vitest';
import { readLeaf, write } from '../../../engine/gpu/memory.js';
import { Plan } from '../../../engine/gpu/plan.js';
import { evaluate } from '../../../engine/graph/reference.js';
import { constant, input, type Tensor, variable } from '../../../engine/graph/tensor.js';
import { cast } from '../../../engine/ops/cast.js';
import { multiply } from '../../../engine/ops/multiply.js';
import { sum } from '../../../engine/ops/reduce.js';
import { scaledGrad } from '../../../engine/train/lossScale.js';
import { allFinite } from '../../../engine/train/magnitude.js';
import { sgd } from '../../../engine/train/optim.js';
import { checkForward, TestRandom, testGpu, withCapabilities } from '../../helpers/check.js';

const checkBounds = process.env.PROMPTKD_CHECK_BOUNDS === '1';

describe('allFinite', () => {
  it('sees one infinity or NaN among many values, wherever it is', async () => {
    const gpu = await testGpu();
    const [x, y] = [input([67], 'x'), input([3, 43], 'y')];
    const finite = allFinite([x, y]);
    const plan = await Plan.compile(gpu, { outputs: [finite] }, { poison: true });
    const random = new TestRandom(1);
    for (const [tensor, at, value, expected] of [
      [x, 0, 1, 1],
      [x, 66, Number.POSITIVE_INFINITY, 0],
      [y, 64, Number.NEGATIVE_INFINITY, 0],
      [y, 128, Number.NaN, 0],
      [x, 5, 3.4e38, 1],
    ] as const) {
      for (const leaf of [x, y]) {
        const values = random.array(leaf.size);
        if (leaf === tensor) values[at] = value;
        write(gpu, leaf, values);
      }
      plan.run();
      expect([...(await plan.read(finite))], `${value} at ${at}`).toEqual([expected]);
    }
    plan.destroy();
  });

  // Sizes that no vector divides, and vectors; fewer tensors than one launch takes, and more, with a last launch that is not full.
  for (const software of [false, true])
    for (const sizes of [
      [1, 3, 67, 12289],
      [4, 8, 260, 4100, 4096, 16, 36, 64, 12, 40004, 20, 128, 4, 768, 3072, 44],
    ])
      it(`sees it at the first, the last and an odd place of each of ${sizes.length} tensors (software: ${software})`, async () => {
        const gpu = withCapabilities(await testGpu(), { software });
        const leaves = sizes.map((size) => input([size], 'x'));
        const finite = allFinite(leaves);
        const plan = await Plan.compile(gpu, { outputs: [finite] }, { poison: true, checkBounds });
        // Two kernels, of which one runs as often as bindings ask for.
        const names = plan.launches.map(({ name }) => name);
        expect(names.filter((name) => name === 'magnitude.check').length).toBe(Math.ceil(sizes.length / 7));
        expect(names.filter((name) => name === 'magnitude.finish').length).toBe(1);
        const finiteNow = async () => {
          plan.run();
          return (await plan.read(finite))[0];
        };
        for (const leaf of leaves) write(gpu, leaf, new Float32Array(leaf.size).fill(-3.4e38));
        expect(await finiteNow()).toBe(1);
        for (const [t, leaf] of leaves.entries()) {
          const values = new Float32Array(leaf.size).fill(3.4e38);
          const odd = Math.floor(leaf.size / 3) | 1;
          for (const [i, at] of [0, leaf.size - 1, Math.min(odd, leaf.size - 1)].entries()) {
            const bad = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY][(t + i) % 3]!;
            write(gpu, leaf, values.with(at, bad));
            expect(await finiteNow(), `${bad} at ${at} of tensor ${t}`).toBe(0);
          }
          write(gpu, leaf, values);
        }
        expect(await finiteNow()).toBe(1);
        if (checkBounds) expect(await plan.outside()).toEqual([]);
        plan.destroy();
      });
});

describe('scaledGrad', () => {
  it('gives the gradients of the loss itself, and keeps those that float16 alone would lose', async () => {
    const gpu = await testGpu();
    const x = variable(Float32Array.of(1, 2, 3, 4), [4], 'x');
    // The gradient 2^-26 x weight of the cast is below float16's smallest number, 2^-24.
    const weights = constant(
      Float32Array.of(1, 2, 3, 1).map((w) => w * 2 ** -26),
      [4],
    );
    const loss = sum(multiply(cast(cast(x, 'f16'), 'f32'), weights));
    const { gradients } = scaledGrad(loss, [x]);
    const plan = await Plan.compile(gpu, { outputs: gradients }, { poison: true });
    plan.run();
    expect([...(await plan.read(gradients[0]!))]).toEqual([...weights.leaf!.data!]);
    plan.destroy();
  });

  it('leaves parameters alone in a step that overflows, halves the scale, and doubles it after 200 good ones', async () => {
    const gpu = await testGpu();
    const x = variable(Float32Array.of(1, -1, 0.5, 2), [4], 'x');
    const factor = input([1], 'factor');
    const loss = multiply(sum(cast(cast(x, 'f16'), 'f32')), factor);
    const { gradients, finite, update, state } = scaledGrad(loss, [x]);
    const rate = constant(Float32Array.of(0.5), [1]);
    const { updates, state: velocity } = sgd([x], gradients, rate, { momentum: 0.5, weightDecay: 0 }, finite);
    const plan = await Plan.compile(gpu, { outputs: [finite], updates: [...updates, update] });
    const step = async (value: number) => {
      write(gpu, factor, Float32Array.of(value));
      plan.run();
      return [...(await readLeaf(gpu, x))];
    };
    const scale = async () => (await readLeaf(gpu, state[0]!))[0];
    // 100 x 1024 is beyond float16: nothing changes.
    expect(await step(100)).toEqual([1, -1, 0.5, 2]);
    expect([...(await readLeaf(gpu, velocity[0]!))]).toEqual([0, 0, 0, 0]);
    expect(await scale()).toBe(512);
    // 100 x 512 is not.
    expect(await step(100)).toEqual([-49, -51, -49.5, -48]);
    expect([...(await readLeaf(gpu, velocity[0]!))]).toEqual([100, 100, 100, 100]);
    for (let i = 0; i < 198; i++) await step(0);
    expect(await scale()).toBe(512);
    await step(0);
    expect(await scale()).toBe(1024);
    expect((await readLeaf(gpu, state[1]!))[0]).toBe(1 / 1024);
    plan.destroy();
  });

  it.each([
    // Scale and good steps before a step, whether its gradients are finite, and both after it.
    [1024, 0, true, 1024, 1],
    [1024, 7, false, 512, 0],
    [2, 0, false, 1, 0],
    [1, 199, false, 1, 0],
    [1024, 198, true, 1024, 199],
    [1024, 199, true, 2048, 0],
    [2 ** 23, 199, true, 2 ** 24, 0],
    [2 ** 24, 199, true, 2 ** 24, 0],
  ])('goes from a scale of %d after %d good steps, by one with finite gradients: %s', async (...numbers) => {
    const [scale, steps, fits, nextScale, nextSteps] = numbers;
    const gpu = await testGpu();
    const x = variable(Float32Array.of(1), [1], 'x');
    const factor = input([1], 'factor');
    const { finite, update, state, goodSteps } = scaledGrad(multiply(x, factor), [x]);
    expect(state.map(({ shape }) => shape)).toEqual([[1], [1], [1]]);
    expect(state[2]).toBe(goodSteps);
    const before = [scale, 1 / scale, steps];
    const expected = [nextScale, 1 / nextScale, nextSteps];
    const feeds = new Map<Tensor, ArrayLike<number>>(state.map((leaf, i) => [leaf, [before[i]!]]));
    feeds.set(factor, [fits ? 1 : Number.POSITIVE_INFINITY]);
    const found = evaluate([finite], feeds, [update]);
    expect(found.get(finite)![0]).toBe(Number(fits));
    expect(state.map((leaf) => [...found.get(leaf)!])).toEqual(expected.map((value) => [value]));

    const plan = await Plan.compile(gpu, { outputs: [finite], updates: [update] });
    for (const [leaf, values] of feeds) write(gpu, leaf, Float32Array.from(values));
    plan.run();
    for (const [i, leaf] of state.entries()) expect([...(await readLeaf(gpu, leaf))]).toEqual([expected[i]]);
    plan.destroy();
  });

  it('starts with a scale of 1024, its inverse and no good steps', () => {
    const x = variable(Float32Array.of(1), [1], 'x');
    const { state, finite, gradients } = scaledGrad(multiply(x, x), [x]);
    expect(state.map(({ leaf }) => [...leaf!.data!])).toEqual([[1024], [1 / 1024], [0]]);
    expect(finite.shape).toEqual([1]);
    expect(gradients.map(({ shape }) => shape)).toEqual([[1]]);
  });

  it('checks what it is told to, such as totals of several batches', () => {
    const x = variable(Float32Array.of(2), [1], 'x');
    const total = variable(Float32Array.of(Number.POSITIVE_INFINITY), [1], 'total');
    const { finite } = scaledGrad(multiply(x, x), [x], {}, () => [total]);
    expect(evaluate([finite]).get(finite)![0]).toBe(0);
    expect(evaluate([finite], new Map([[total, [3]]])).get(finite)![0]).toBe(1);
  });

  it('follows its reference', async () => {
    const x = variable(Float32Array.of(1, 2, 3, 4), [4], 'x');
    const { gradients, finite, update } = scaledGrad(sum(multiply(x, x)), [x]);
    await checkForward([...gradients, finite], { updates: [update] });
    expect([...evaluate(gradients).get(gradients[0]!)!]).toEqual([2, 4, 6, 8]);
  });
});
