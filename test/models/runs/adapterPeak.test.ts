import { afterEach, expect, it, vi } from 'vitest';
import { type Gpu, openGpu } from '../../../engine/gpu/gpu.js';
import { adapterPeak } from '../../../models/runs/adapterPeak.js';
import { countCreations, NOTHING } from '../../helpers/creations.js';

/** A device that counts as a software adapter, and on which each wait for submitted work takes the next of `milliseconds`. */
async function timedGpu(milliseconds: number[]): Promise<Gpu> {
  const gpu = await openGpu();
  let now = 0;
  vi.spyOn(performance, 'now').mockImplementation(() => now);
  const { queue } = gpu.device;
  const done = queue.onSubmittedWorkDone.bind(queue);
  vi.spyOn(queue, 'onSubmittedWorkDone').mockImplementation(async () => {
    const result = await done();
    now += milliseconds.shift() ?? Number.NaN;
    return result;
  });
  return Object.create(gpu, {
    adapter: { value: { ...gpu.adapter, software: true } },
    capabilities: { value: { ...gpu.capabilities, software: true } },
  }) as Gpu;
}

afterEach(() => vi.restoreAllMocks());

// 2^13 invocations have 2^7 steps of 8 chains, each a multiplication and an addition; of vectors, four times as many.
const SCALAR = 2 ** 13 * 2 ** 7 * 8 * 2;
const VECTOR = 4 * SCALAR;

// The second run says that one takes 2 ms, so that two make a sample of at least 4 ms. The first has the compilation.
it.each([
  ['scalars', [90, 2, 8, 4, 6], [90, 2, 80, 40, 60], (2 * SCALAR) / 0.004],
  ['vectors', [90, 2, 8, 4, 6], [90, 2, 6, 8, 5], (2 * VECTOR) / 0.005],
])(
  'is the FLOP/s of the best sample, here of %s, and measured once a device',
  async (_, scalars, vectors, peak) => {
    const milliseconds = [...scalars, ...vectors];
    const gpu = await timedGpu(milliseconds);
    expect(await adapterPeak(gpu)).toBeCloseTo(peak, 0);
    expect(milliseconds).toEqual([]);
    const count = countCreations(gpu);
    expect(await adapterPeak(gpu)).toBeCloseTo(peak, 0);
    expect(count()).toEqual(NOTHING);
    gpu.destroy();
  },
);
