/** Times the kernels of real runs: the launches that the device has to do anyway, in the order in which they are queued. */
import type { KernelSource } from '../kernels/kernelSource.js';
import type { Gpu } from './gpu.js';
import { encode, type Launch } from './launch.js';
import type { LaunchObserver } from './observer.js';
import {
  addTimes,
  type KernelTime,
  MOST_TIMED,
  makeTimestampReader,
  makeTimestamps,
  readTimed,
  submitTimed,
  type Timestamps,
  timeOf,
  totals,
} from './profile.js';

interface Timer extends Timestamps {
  /** Readers that are not in use. */
  readonly free: GPUBuffer[];
}

/**
 * Observes a device (observer.ts) and adds up what each kernel takes. Where the device has timestamps, every launch gets a
 * pass of its own and the device's clock. Elsewhere every launch is a submission of its own, and its time is that between
 * the completions of two of them: an upper bound that includes what a submission costs.
 */
export class RunTimes implements LaunchObserver {
  private readonly timers = new Map<number, Timer>();
  private readonly kernels = new Map<string, KernelTime>();
  private readonly pending = new Set<Promise<void>>();
  private lastEnd = 0;

  /** @param onCompiled called with the kernels of every plan, one entry a launch */
  constructor(
    private readonly gpu: Gpu,
    private readonly onCompiled: (sources: readonly KernelSource[]) => void = () => {},
  ) {}

  /** Called with the kernels of a plan when it is compiled, one entry a launch. */
  compiled(sources: readonly KernelSource[]): void {
    this.onCompiled(sources);
  }

  /** Submits launches and notes their times, which arrive later (`finish`). */
  submit(launches: readonly Launch[]): void {
    if (!this.gpu.capabilities.timestamps) {
      for (const launch of launches) this.submitAlone(launch);
      return;
    }
    for (let from = 0; from < launches.length; from += MOST_TIMED)
      this.submitTogether(launches.slice(from, from + MOST_TIMED));
  }

  /** Waits for the times of everything that was submitted. Call it before the device is destroyed. */
  async finish(): Promise<void> {
    await this.gpu.wait(Promise.all(this.pending));
  }

  /** Totals over all runs so far whose times have arrived; the slowest kernel first. */
  times(): KernelTime[] {
    return totals(this.kernels.values());
  }

  private submitTogether(launches: readonly Launch[]): void {
    const { device } = this.gpu;
    const timer = this.timer(launches.length);
    const reader = timer.free.pop() ?? makeTimestampReader(device, launches.length);
    submitTimed(device, launches, timer, reader);
    this.await(reader.mapAsync(0x1 /* READ */), () => {
      for (const [i, milliseconds] of readTimed(reader, launches.length).entries())
        this.add(launches[i]!, milliseconds);
      timer.free.push(reader);
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

  private add(launch: Launch, milliseconds: number): void {
    const time = timeOf(launch, milliseconds);
    this.kernels.set(time.name, addTimes(this.kernels.get(time.name), time));
  }

  private timer(launches: number): Timer {
    let found = this.timers.get(launches);
    if (!found) {
      found = { ...makeTimestamps(this.gpu.device, launches), free: [] };
      this.timers.set(launches, found);
    }
    return found;
  }
}
