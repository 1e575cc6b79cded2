/** Memory that does not suffice: what is said, that nothing wrong is read, and that the device is of use afterwards. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { OutOfMemoryError } from '../../../engine/errors.js';
import { type Gpu, openGpu } from '../../../engine/gpu/gpu.js';
import { leafBuffer, readLeaf, release, write } from '../../../engine/gpu/memory.js';
import { Plan } from '../../../engine/gpu/plan.js';
import { constant, input, type Tensor } from '../../../engine/graph/tensor.js';
import { matmul } from '../../../engine/ops/matmul.js';
import { multiply } from '../../../engine/ops/multiply.js';
import { withFittingBatch } from '../../../models/promptkd/shared/fittingBatch.js';

let gpu: Gpu;
beforeEach(async () => {
  gpu = await openGpu();
});
afterEach(() => {
  vi.restoreAllMocks();
  gpu.destroy();
});

const STORAGE = 0x80;
const MIB = 2 ** 20;
/** As if the device had so many bytes: what goes beyond is asked for in a size that no device has. */
function limit(bytes: number) {
  const { device } = gpu;
  const create = device.createBuffer.bind(device);
  vi.spyOn(device, 'createBuffer').mockImplementation((wanted) =>
    gpu.held > bytes
      ? Object.defineProperty(create({ ...wanted, size: 2 ** 50 }), 'size', { value: wanted.size })
      : create(wanted),
  );
}

const weights = constant(new Float32Array(512 * 512).fill(1 / 512), [512, 512], 'weights');
/** 2 MiB of input and 4 MiB of results for a batch of 1024. */
function request(batch: number, of: Tensor = weights) {
  const x = input([batch, 512], 'x');
  return { x, outputs: [matmul(multiply(x, x), of)] };
}
const refused = (size: number) =>
  Plan.compile(gpu, request(size)).then(
    () => undefined,
    (error: unknown) => error as OutOfMemoryError,
  );

it('says how much a plan needs, how much there is, and which batch fits', async () => {
  const before = gpu.held;
  limit(before + 4.5 * MIB);
  const error = await refused(1024);
  expect(error).toBeInstanceOf(OutOfMemoryError);
  const { needed, available } = error!.need!;
  // Weights, input, square and product.
  expect(needed - before).toBe(7 * MIB);
  expect(error!.message).toMatch(
    /^not enough GPU memory: [0-9.]+ MiB are needed in all, and there are [0-9.]+ MiB$/,
  );
  expect(available).toBeLessThan(before + 4.5 * MIB);
  expect(gpu.held).toBe(before);

  const told = withFittingBatch(error, 1024, request, gpu.capabilities) as OutOfMemoryError;
  const batch = Number(/^use --batch (\d+),/.exec(told.hint)![1]);
  expect(batch).toBeGreaterThan(200);
  expect(await refused(batch)).toBeUndefined();
});

it('leaves nothing behind that another plan could take for values', async () => {
  limit(gpu.held + 3 * MIB);
  expect(await refused(1024)).toBeInstanceOf(OutOfMemoryError);
  vi.restoreAllMocks();
  const { x, outputs } = request(2);
  const plan = await Plan.compile(gpu, { outputs });
  write(gpu, x, new Float32Array(1024).fill(3));
  plan.run();
  const values = await plan.read(outputs[0]!);
  expect([...new Set(values.map((value) => Math.round(1000 * value) / 1000))]).toEqual([9]);
  plan.destroy();
  release(gpu, x);
  release(gpu, weights);
  expect(gpu.held).toBe(0);
});

it('names the largest buffer where that is the limit, and finds the batch for it', () => {
  const error = new OutOfMemoryError('too long', 'less', {
    needed: 7 * MIB,
    available: Infinity,
    largest: MIB,
  });
  const { hint } = withFittingBatch(error, 1024, request, gpu.capabilities) as OutOfMemoryError;
  expect(hint).toMatch(/^use --batch 512,/);
  const none = new OutOfMemoryError('no room', 'less', { needed: 7 * MIB, available: MIB / 2 });
  expect((withFittingBatch(none, 1024, request, gpu.capabilities) as OutOfMemoryError).hint).toMatch(
    /^no batch fits/,
  );
  const other = new Error('something else');
  expect(withFittingBatch(other, 1024, request, gpu.capabilities)).toBe(other);
});

it('is found before a result is read, where an upload was refused', async () => {
  const { x, outputs } = request(2);
  const plan = await Plan.compile(gpu, { outputs });
  write(gpu, x, new Float32Array(1024));
  plan.run();
  const late = constant(new Float32Array(MIB), [MIB], 'late');
  limit(gpu.held + MIB);
  leafBuffer(gpu, late);
  const read = plan.read(outputs[0]!);
  await expect(read).rejects.toThrow(OutOfMemoryError);
  await expect(read).rejects.toThrow(/^not enough GPU memory for the [0-9.]+ MiB that are asked for in all/);
  await expect(readLeaf(gpu, late)).rejects.toThrow();
  expect(() => plan.run()).toThrow(OutOfMemoryError);
  await expect(plan.finish()).rejects.toThrow(OutOfMemoryError);
});

it.each([
  [3, 1, 1],
  [1, 3, 1],
  [2, 3, undefined],
])(
  'names the limit of a buffer where a plan needs a longer one: %d MiB, %d MiB to bind',
  async (whole, bound, largest) => {
    limit(gpu.held + 0.5 * MIB);
    const limits = { maxBufferSize: whole * MIB, maxStorageBufferBindingSize: bound * MIB };
    Object.defineProperty(gpu.device, 'limits', { value: limits });
    // Weights of 1 MiB, and three buffers of 2 MiB.
    const error = await refused(1024);
    expect(error).toBeInstanceOf(OutOfMemoryError);
    expect(error!.need!.largest).toBe(largest && largest * MIB);
    expect(error!.message).toMatch(
      largest
        ? /^the adapter allows buffers of 1(\.0)? MiB, and the plan needs one of 2(\.0)? MiB$/
        : /^not enough GPU memory/,
    );
  },
);

it('takes a binding beyond the limit for too little memory', async ({ skip }) => {
  const { device } = gpu;
  const { maxStorageBufferBindingSize, maxBufferSize } = device.limits;
  if (maxBufferSize <= maxStorageBufferBindingSize) skip('every buffer may be bound as a whole here');
  const error = await gpu
    .scoped('the images', () => {
      const buffer = device.createBuffer({ size: maxStorageBufferBindingSize + 256, usage: STORAGE });
      const entry = { binding: 0, visibility: 4, buffer: { type: 'storage' as const } };
      const layout = device.createBindGroupLayout({ entries: [entry] });
      device.createBindGroup({ layout, entries: [{ binding: 0, resource: { buffer } }] });
      buffer.destroy();
    })
    .catch((e: unknown) => e);
  expect(error).toBeInstanceOf(OutOfMemoryError);
});
