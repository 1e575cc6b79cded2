/** Times the kernels of a plan. */

import type { Gpu } from './gpu.js';
import { encode, type Launch } from './launch.js';
import type { Plan } from './plan.js';

/** The time that one kernel takes in a plan. */
export interface KernelTime {
  /** Shader and entry point. */
  readonly name: string;
  readonly launches: number;
  /** Milliseconds of all its launches in one run. */
  readonly milliseconds: number;
  /** Floating-point operations (only matmul and attention count them) and bytes of all launches. */
  readonly flops: number;
  readonly bytes: number;
}

/** Queries of one set: WebGPU allows 4096. */
const MOST_QUERIES = 4096;

/**
 * Times every launch of a plan, in order: with timestamps all in one submission, after a warm-up run; without them, each launch by
 * itself, `repeats` times, waiting for the device. Slowest kernel first.
 */
export async function profile(gpu: Gpu, plan: Plan, repeats = 4): Promise<KernelTime[]> {
  const times = gpu.capabilities.timestamps
    ? await byTimestamps(gpu, plan.launches, repeats)
    : await oneByOne(gpu, plan.launches, repeats);
  const kernels = new Map<string, { launches: number; milliseconds: number; flops: number; bytes: number }>();
  plan.launches.forEach(({ name, flops = 0, bytes = 0 }, i) => {
    const entry = kernels.get(name) ?? { launches: 0, milliseconds: 0, flops: 0, bytes: 0 };
    entry.launches++;
    entry.milliseconds += times[i]!;
    entry.flops += flops;
    entry.bytes += bytes;
    kernels.set(name, entry);
  });
  return [...kernels]
    .map(([name, entry]) => ({ name, ...entry }))
    .sort((a, b) => b.milliseconds - a.milliseconds);
}

/** Milliseconds of each launch: means over `repeats` runs, each launch in a pass of its own. */
async function byTimestamps(gpu: Gpu, launches: readonly Launch[], repeats: number): Promise<number[]> {
  const { device } = gpu;
  const times = launches.map(() => 0);
  const share = MOST_QUERIES / 2;
  for (let from = 0; from < launches.length; from += share) {
    const part = launches.slice(from, from + share);
    const count = 2 * part.length;
    const querySet = device.createQuerySet({ type: 'timestamp', count });
    const resolved = device.createBuffer({
      size: 8 * count,
      usage: 0x200 | 0x4 /* QUERY_RESOLVE | COPY_SRC */,
    });
    const staging = device.createBuffer({ size: 8 * count, usage: 0x1 | 0x8 /* MAP_READ | COPY_DST */ });
    // The first run does not count.
    for (let run = 0; run <= repeats; run++) {
      const encoder = device.createCommandEncoder();
      part.forEach((launch, i) => {
        const timestampWrites = {
          querySet,
          beginningOfPassWriteIndex: 2 * i,
          endOfPassWriteIndex: 2 * i + 1,
        };
        const pass = encoder.beginComputePass({ timestampWrites });
        encode(pass, [launch]);
        pass.end();
      });
      encoder.resolveQuerySet(querySet, 0, count, resolved, 0);
      encoder.copyBufferToBuffer(resolved, 0, staging, 0, 8 * count);
      device.queue.submit([encoder.finish()]);
      await gpu.wait(staging.mapAsync(0x1 /* READ */));
      const clock = new BigUint64Array(staging.getMappedRange());
      if (run > 0)
        for (let i = 0; i < part.length; i++)
          times[from + i]! += Number(clock[2 * i + 1]! - clock[2 * i]!) / 1e6 / repeats;
      staging.unmap();
    }
    for (const one of [querySet, resolved, staging]) one.destroy();
  }
  gpu.check();
  return times;
}

/** Works on every adapter; on a fast GPU the wait itself (some 0.1 ms) has to be small against `repeats` launches. */
async function oneByOne(gpu: Gpu, launches: readonly Launch[], repeats: number): Promise<number[]> {
  const { device } = gpu;
  const times: number[] = [];
  for (const launch of launches) {
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    encode(pass, Array(repeats).fill(launch));
    pass.end();
    const commands = encoder.finish();
    const started = performance.now();
    device.queue.submit([commands]);
    await gpu.wait(device.queue.onSubmittedWorkDone());
    times.push((performance.now() - started) / repeats);
  }
  gpu.check();
  return times;
}
