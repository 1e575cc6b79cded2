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

/**
 * Times every launch of a plan, in order: with timestamps all in one submission, after a warm-up run; without them, each launch by
 * itself, `repeats` times, waiting for the device. Slowest kernel first.
 */
export async function profile(gpu: Gpu, plan: Plan, repeats = 4): Promise<KernelTime[]> {
  const times = gpu.capabilities.timestamps
    ? await byTimestamps(gpu, plan.launches, repeats)
    : await oneByOne(gpu, plan.launches, repeats);
  return totals(plan.launches.map((launch, i) => timeOf(launch, times[i]!)));
}

/** What one launch took. */
export const timeOf = ({ name, flops = 0, bytes = 0 }: Launch, milliseconds: number): KernelTime => ({
  ...{ name, launches: 1, milliseconds, flops, bytes },
});

/** Adds up the times of each kernel; the slowest kernel first. */
export function totals(times: Iterable<KernelTime>): KernelTime[] {
  const kernels = new Map<string, KernelTime>();
  for (const time of times) kernels.set(time.name, addTimes(kernels.get(time.name), time));
  return [...kernels.values()].sort((a, b) => b.milliseconds - a.milliseconds);
}

/** Two times of one kernel together. */
export const addTimes = (before: KernelTime | undefined, time: KernelTime): KernelTime =>
  before === undefined
    ? time
    : {
        name: time.name,
        launches: before.launches + time.launches,
        milliseconds: before.milliseconds + time.milliseconds,
        flops: before.flops + time.flops,
        bytes: before.bytes + time.bytes,
      };

/** Begin and end of launches on the device's clock: a query set and where its results go. */
export interface Timestamps {
  readonly querySet: GPUQuerySet;
  readonly resolved: GPUBuffer;
}

/** Launches of one query set: WebGPU allows 4096 queries, and a launch takes two. */
export const MOST_TIMED = 2048;
/** Bytes of a launch's two queries. */
const QUERY_BYTES = 16;

/** Queries for `launches` launches, at most `MOST_TIMED`. */
export const makeTimestamps = (device: GPUDevice, launches: number): Timestamps => ({
  querySet: device.createQuerySet({ type: 'timestamp', count: 2 * launches }),
  resolved: device.createBuffer({
    size: QUERY_BYTES * launches,
    usage: 0x200 | 0x4 /* QUERY_RESOLVE | COPY_SRC */,
  }),
});

/** A buffer to read the times of `launches` launches from. */
export const makeTimestampReader = (device: GPUDevice, launches: number): GPUBuffer =>
  device.createBuffer({ size: QUERY_BYTES * launches, usage: 0x1 | 0x8 /* MAP_READ | COPY_DST */ });

/** Submits each launch in a pass of its own, between two timestamps, which `reader` then holds. */
export function submitTimed(
  device: GPUDevice,
  launches: readonly Launch[],
  { querySet, resolved }: Timestamps,
  reader: GPUBuffer,
): void {
  const encoder = device.createCommandEncoder();
  launches.forEach((launch, i) => {
    const timestampWrites = {
      querySet,
      beginningOfPassWriteIndex: 2 * i,
      endOfPassWriteIndex: 2 * i + 1,
    };
    const pass = encoder.beginComputePass({ timestampWrites });
    encode(pass, [launch]);
    pass.end();
  });
  encoder.resolveQuerySet(querySet, 0, 2 * launches.length, resolved, 0);
  encoder.copyBufferToBuffer(resolved, 0, reader, 0, QUERY_BYTES * launches.length);
  device.queue.submit([encoder.finish()]);
}

/** Milliseconds of each launch, from a reader that is mapped; unmaps it. */
export function readTimed(reader: GPUBuffer, launches: number): number[] {
  const clock = new BigUint64Array(reader.getMappedRange());
  const times = Array.from({ length: launches }, (_, i) => Number(clock[2 * i + 1]! - clock[2 * i]!) / 1e6);
  reader.unmap();
  return times;
}

/** Milliseconds of each launch: means over `repeats` runs, each launch in a pass of its own. */
async function byTimestamps(gpu: Gpu, launches: readonly Launch[], repeats: number): Promise<number[]> {
  const { device } = gpu;
  const times = launches.map(() => 0);
  for (let from = 0; from < launches.length; from += MOST_TIMED) {
    const part = launches.slice(from, from + MOST_TIMED);
    const timestamps = makeTimestamps(device, part.length);
    const reader = makeTimestampReader(device, part.length);
    // The first run does not count.
    for (let run = 0; run <= repeats; run++) {
      submitTimed(device, part, timestamps, reader);
      await gpu.wait(reader.mapAsync(0x1 /* READ */));
      const measured = readTimed(reader, part.length);
      if (run > 0)
        measured.forEach((milliseconds, i) => {
          times[from + i]! += milliseconds / repeats;
        });
    }
    for (const one of [timestamps.querySet, timestamps.resolved, reader]) one.destroy();
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
