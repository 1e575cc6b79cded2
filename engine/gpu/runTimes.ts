/** Times the kernels of real runs: the launches that the device has to do anyway, in the order in which they are queued. */
import type { KernelSource } from '../kernels/kernelSource.js';
import type { Gpu } from './gpu.js';
import { encode, type Launch } from './launch.js';
import type { LaunchObserver } from './observer.js';
import type { KernelTime } from './profile.js';

/** Launches per query set: WebGPU allows 4096 queries, and a launch takes two. */
const MAX_LAUNCHES = 2048;

interface QuerySet {
  readonly set: GPUQuerySet;
  readonly resolved: GPUBuffer;
  /** Staging buffers that are not in use. */
  readonly free: GPUBuffer[];
}

/**
 * Observes a device (observer.ts) and adds up what each kernel takes. Where the device has timestamps, every launch gets a
 * pass of its own and the device's clock. Elsewhere every launch is a submission of its own, and its time is that between
 * the completions of two of them: an upper bound that includes what a submission costs.
 */
export class RunTimes implements LaunchObserver {
  private readonly querySets = new Map<number, QuerySet>();
  private readonly kernels = new Map<string, { -readonly [K in keyof KernelTime]: KernelTime[K] }>();
  private readonly pending = new Set<Promise<void>>();
  private lastEnd = 0;

  /** @param onCompiled called with the kernels of every plan, one entry a launch */
  constructor(
    private readonly gpu: Gpu,
    private readonly onCompiled: (sources: readonly KernelSource[]) => void = () => {},
  ) {}

  compiled(sources: readonly KernelSource[]): void {
    this.onCompiled(sources);
  }

  submit(launches: readonly Launch[]): void {
    if (!this.gpu.capabilities.timestamps) {
      for (const launch of launches) this.submitAlone(launch);
      return;
    }
    for (let from = 0; from < launches.length; from += MAX_LAUNCHES)
      this.submitTimed(launches.slice(from, from + MAX_LAUNCHES));
  }

  /** Waits for the times of everything that was submitted. Call it before the device is destroyed. */
  async finish(): Promise<void> {
    await this.gpu.wait(Promise.all(this.pending));
  }

  /** Totals over all runs so far whose times have arrived; the slowest kernel first. */
  times(): KernelTime[] {
    return [...this.kernels.values()].sort((a, b) => b.milliseconds - a.milliseconds);
  }

  private submitTimed(launches: readonly Launch[]): void {
    const { device } = this.gpu;
    const { set, resolved, free } = this.querySet(2 * launches.length);
    const size = 16 * launches.length;
    const staging = free.pop() ?? device.createBuffer({ size, usage: 0x1 | 0x8 /* MAP_READ | COPY_DST */ });
    const encoder = device.createCommandEncoder();
    launches.forEach((launch, i) => {
      const timestampWrites = {
        querySet: set,
        beginningOfPassWriteIndex: 2 * i,
        endOfPassWriteIndex: 2 * i + 1,
      };
      const pass = encoder.beginComputePass({ timestampWrites });
      encode(pass, [launch]);
      pass.end();
    });
    encoder.resolveQuerySet(set, 0, 2 * launches.length, resolved, 0);
    encoder.copyBufferToBuffer(resolved, 0, staging, 0, size);
    device.queue.submit([encoder.finish()]);
    this.await(staging.mapAsync(0x1 /* READ */), () => {
      const clock = new BigUint64Array(staging.getMappedRange());
      launches.forEach((launch, i) => {
        this.add(launch, Number(clock[2 * i + 1]! - clock[2 * i]!) / 1e6);
      });
      staging.unmap();
      free.push(staging);
    });
  }

  private submitAlone(launch: Launch): void {
    const { device } = this.gpu;
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    encode(pass, [launch]);
    pass.end();
    const queued = performance.now();
    device.queue.submit([encoder.finish()]);
    this.await(device.queue.onSubmittedWorkDone(), () => {
      const end = performance.now();
      this.add(launch, end - Math.max(queued, this.lastEnd));
      this.lastEnd = end;
    });
  }

  /** A device that is lost or destroyed has no times to tell, which is no error here. */
  private await(arrival: Promise<unknown>, then: () => void): void {
    const done: Promise<void> = arrival.then(then, () => {}).finally(() => this.pending.delete(done));
    this.pending.add(done);
  }

  private add({ name, flops = 0, bytes = 0 }: Launch, milliseconds: number): void {
    const entry = this.kernels.get(name) ?? { name, launches: 0, milliseconds: 0, flops: 0, bytes: 0 };
    entry.launches++;
    entry.milliseconds += milliseconds;
    entry.flops += flops;
    entry.bytes += bytes;
    this.kernels.set(name, entry);
  }

  private querySet(count: number): QuerySet {
    let found = this.querySets.get(count);
    if (!found) {
      const { device } = this.gpu;
      const resolved = device.createBuffer({
        size: 8 * count,
        usage: 0x200 | 0x4 /* QUERY_RESOLVE | COPY_SRC */,
      });
      found = { set: device.createQuerySet({ type: 'timestamp', count }), resolved, free: [] };
      this.querySets.set(count, found);
    }
    return found;
  }
}
