/** What a plan makes, binds, reads and gives back. */
import { expect, it } from 'vitest';
import { openGpu } from '../../../engine/gpu/gpu.js';
import { leafBuffer, readLeaf, releaseAll } from '../../../engine/gpu/memory.js';
import { Plan, prefetchPipelines } from '../../../engine/gpu/plan.js';
import { call, type Op } from '../../../engine/graph/op.js';
import { constant, type Tensor, variable } from '../../../engine/graph/tensor.js';
import { add } from '../../../engine/ops/add.js';
import { matmul } from '../../../engine/ops/matmul.js';
import { multiply } from '../../../engine/ops/multiply.js';
import { reshape } from '../../../engine/ops/reshape.js';
import { clear } from '../../../engine/train/optim.js';
import { testGpu } from '../../helpers/check.js';
import { countCreations } from '../../helpers/creations.js';

const matrix = (label: string, first = 1) =>
  variable(
    Float32Array.from({ length: 16 }, (_, i) => first + i),
    [4, 4],
    label,
  );

/** Writes the first half of its output alone. */
const halfOp: Op<null> = {
  name: 'half',
  outputs: ([x]) => [{ shape: x!.shape }],
  kernels: ({ inputs: [x], outputs: [y] }) => [
    {
      shader: 'elementwise',
      entry: 'add',
      constants: { B_SCALAR: false, VECTOR: false },
      uniforms: { B_SIZE: x!.size },
      reads: { a: x!, b: x! },
      writes: { y: y! },
      elements: x!.size / 2,
    },
  ],
  reference: (_, [x]) => [x!],
};

/** Two launches on the same buffers, by two kernels that both go beyond the end. */
const beyondOp: Op<null> = {
  ...halfOp,
  name: 'beyond',
  kernels: (node, context) =>
    halfOp.kernels!(node, context).flatMap((dispatch) =>
      ['add', 'multiply'].map((entry) => ({ ...dispatch, entry, elements: 32 })),
    ),
  flops: () => 100,
};

it('tells each pipeline once as it becomes ready', async () => {
  const gpu = await testGpu();
  const x = matrix('x');
  const y = add(add(x, x), multiply(x, x));
  const told: [number, number][] = [];
  const plan = await Plan.compile(
    gpu,
    { outputs: [y] },
    { fuse: false, onProgress: (done, total) => told.push([done, total]) },
  );
  expect(told).toEqual([
    [1, 2],
    [2, 2],
  ]);
  expect(plan.launches).toHaveLength(3);
  plan.destroy();
});

it('describes its launches: work and bytes of each, a tensor that is bound twice counted once', async () => {
  const gpu = await testGpu();
  const x = matrix('x');
  const plan = await Plan.compile(gpu, { outputs: [multiply(x, x), matmul(x, x)] });
  const [square, product] = plan.launches;
  expect([square!.flops, square!.bytes]).toEqual([0, 128]);
  expect([product!.flops, product!.bytes]).toEqual([128, 128]);
  expect(plan.describe()).toMatchObject({ dispatches: 2, flops: 128, outputs: 128, variables: 64 });
  plan.destroy();
});

it('gives each launch of a node its share of the work, and counts what each of them does outside', async () => {
  const gpu = await testGpu();
  const request = { outputs: [call(beyondOp, [matrix('x')], null)] };
  const plan = await Plan.compile(gpu, request, { checkBounds: true });
  expect(plan.launches.map(({ name, flops }) => [name, flops])).toEqual([
    ['elementwise.add', 50],
    ['elementwise.multiply', 50],
  ]);
  plan.run();
  expect(await plan.outside()).toEqual(['elementwise.add', 'elementwise.multiply']);
  plan.destroy();
});

it('shares bind groups between launches on the same buffers', async () => {
  const gpu = await testGpu();
  const [x, y] = [matrix('x'), matrix('y')];
  const counted = async (updates: readonly Tensor[]) => {
    const count = countCreations(gpu);
    const plan = await Plan.compile(gpu, { updates: updates.map(clear) });
    plan.destroy();
    return count().bindGroups;
  };
  expect(await counted([x, x, x])).toBe(1);
  expect(await counted([x, y, x])).toBe(2);
});

it('does not take a buffer that is read for one that is written', async () => {
  const gpu = await testGpu();
  const x = matrix('x');
  const outputs = [add(x, x), multiply(x, add(x, x))];
  const plan = await Plan.compile(gpu, { outputs });
  plan.run();
  const [sum, product] = await plan.readTogether(outputs);
  expect([...sum!]).toEqual(Array.from({ length: 16 }, (_, i) => 2 * (i + 1)));
  expect([...product!]).toEqual(Array.from({ length: 16 }, (_, i) => 2 * (i + 1) ** 2));
  plan.destroy();
});

it('reads outputs, views of them and leaves, and nothing else', async () => {
  const gpu = await testGpu();
  const x = matrix('x');
  const labels = constant(Int32Array.of(3, 1), [2], 'labels');
  const inner = add(x, x);
  const y = multiply(inner, inner);
  const plan = await Plan.compile(gpu, { outputs: [reshape(y, [16]), labels] });
  plan.run();
  const expected = Array.from({ length: 16 }, (_, i) => 4 * (i + 1) ** 2);
  expect([...(await plan.read(y))]).toEqual(expected);
  expect([...(await plan.read(reshape(y, [2, 8])))]).toEqual(expected);
  expect([...(await plan.read(x))]).toEqual([...x.leaf!.data!]);
  expect([...(await plan.read(labels))]).toEqual([3, 1]);
  await expect(plan.read(inner)).rejects.toThrow(/not an output/);
  await expect(plan.read(add(x, x))).rejects.toThrow(/not an output/);
  plan.destroy();
});

it('fills its buffers with NaN first where it is asked to, so that a test sees what is not written', async () => {
  const gpu = await testGpu();
  const x = matrix('x');
  const y = call(halfOp, [x], null);
  for (const poison of [true, false]) {
    const plan = await Plan.compile(gpu, { outputs: [y] }, { poison });
    plan.run();
    const found = [...(await plan.read(y))];
    expect(found.slice(0, 8)).toEqual([2, 4, 6, 8, 10, 12, 14, 16]);
    expect(found.slice(8)).toEqual(Array(8).fill(poison ? Number.NaN : 0));
    plan.destroy();
  }
});

it('knows which launches left a tensor only if it was compiled to look', async () => {
  const gpu = await testGpu();
  const x = matrix('x');
  const outside: Op<null> = {
    ...halfOp,
    name: 'outside',
    kernels: (node, context) =>
      halfOp.kernels!(node, context).map((dispatch) => ({ ...dispatch, elements: 2 * x.size })),
  };
  const outputs = [add(x, x), call(outside, [x], null), multiply(x, x)];
  const plain = await Plan.compile(gpu, { outputs });
  await expect(plain.outside()).rejects.toThrow(/checkBounds/);
  plain.destroy();
  const checked = await Plan.compile(gpu, { outputs }, { checkBounds: true });
  expect(await checked.outside()).toEqual([]);
  checked.run();
  expect(await checked.outside()).toEqual([checked.launches[1]!.name]);
  checked.destroy();
});

it('has its pipelines made beforehand', async () => {
  const gpu = await openGpu();
  const x = matrix('x');
  const request = { outputs: [multiply(add(x, x), x)] };
  prefetchPipelines(gpu, request);
  const count = countCreations(gpu);
  (await Plan.compile(gpu, request)).destroy();
  expect(count().pipelines).toBe(0);
  gpu.destroy();
});

it('gives back all of its buffers, and none of its leaves', async () => {
  const gpu = await testGpu();
  releaseAll(gpu);
  expect(gpu.held).toBe(0);
  const x = matrix('x');
  const y = add(multiply(x, x), x);
  const plan = await Plan.compile(gpu, { outputs: [y], updates: [clear(x)] }, { checkBounds: true });
  expect(gpu.held).toBeGreaterThan(64);
  plan.run();
  await plan.finish();
  plan.destroy();
  expect(gpu.held).toBe(64);
  expect([...(await readLeaf(gpu, x))]).toEqual(Array(16).fill(0));
});

it('gives back the leaves too that it was the first to use, where that is asked for', async () => {
  const gpu = await testGpu();
  releaseAll(gpu);
  const [loaded, own] = [matrix('loaded'), matrix('own')];
  leafBuffer(gpu, loaded);
  const plan = await Plan.compile(gpu, { outputs: [add(loaded, own)], updates: [clear(loaded)] });
  plan.run();
  await plan.finish();
  expect(gpu.held).toBeGreaterThan(128);
  plan.destroy({ leaves: true });
  expect(gpu.held).toBe(64);
  expect([...(await readLeaf(gpu, loaded))]).toEqual(Array(16).fill(0));
});
