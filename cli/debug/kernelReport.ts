/**
 * `DEBUG=2`: after a command, a table of every kernel that it ran. `DEBUG=3`: also the WGSL of each kernel, once.
 * Without either no plan is observed.
 */
import type { Gpu } from '../../engine/gpu/gpu.js';
import { observe } from '../../engine/gpu/observer.js';
import { type KernelTime, totals } from '../../engine/gpu/profile.js';
import { RunTimes } from '../../engine/gpu/runTimes.js';
import { type KernelSource, kernelKey } from '../../engine/kernels/kernelSource.js';
import { number, percent } from '../../models/numbers.js';
import { say } from '../terminal/output.js';
import { formatTable } from '../terminal/table.js';
import { debugLevel } from './level.js';

/** Times of the kernels of one command, on as many devices as it opens. */
export class KernelReport {
  private readonly devices: RunTimes[] = [];
  private readonly printed = new Set<string>();
  private timestamps = true;

  /** @param write takes text for stderr */
  constructor(
    private readonly level = debugLevel(),
    private readonly write: (text: string) => void = say,
  ) {}

  /** Observes a device from now on, where `DEBUG` asks for it. */
  attach(gpu: Gpu): void {
    if (this.level < 2) return;
    const times = new RunTimes(gpu, (sources) => this.printSources(sources));
    this.timestamps &&= gpu.capabilities.timestamps;
    this.devices.push(times);
    observe(gpu, times);
  }

  /** Prints the table. Call it before the last device is destroyed. */
  async finish(): Promise<void> {
    if (this.devices.length === 0) return;
    await this.devices.at(-1)?.finish();
    const kernels = totals(this.devices.flatMap((device) => device.times()));
    if (kernels.length === 0) return;
    const method = this.timestamps
      ? "the device's timestamps, one pass per launch"
      : 'no timestamps on this adapter: one submission per launch, so times are upper bounds';
    this.write(`\nkernels of this run (${method})\n${formatKernels(kernels)}`);
  }

  private printSources(sources: readonly KernelSource[]): void {
    if (this.level < 3) return;
    for (const source of sources) {
      const key = kernelKey(source);
      if (this.printed.has(key)) continue;
      this.printed.add(key);
      this.write(`// kernel ${source.name}, entry point ${source.entry}\n${source.code.trimEnd()}\n\n`);
    }
  }
}

/** A kernel a row, and their sum. */
export function formatKernels(kernels: readonly KernelTime[]): string {
  const sum = (of: (kernel: KernelTime) => number) =>
    kernels.reduce((total, kernel) => total + of(kernel), 0);
  const total: KernelTime = {
    name: 'total',
    launches: sum(({ launches }) => launches),
    milliseconds: sum(({ milliseconds }) => milliseconds),
    flops: sum(({ flops }) => flops),
    bytes: sum(({ bytes }) => bytes),
  };
  const rate = (work: number, milliseconds: number) =>
    work > 0 && milliseconds > 0 ? number(work / milliseconds / 1e6) : '';
  return formatTable(
    ['kernel', 'launches', 'ms', 'share', 'GFLOP/s', 'GB/s'],
    [...kernels, total].map(({ name, launches, milliseconds, flops, bytes }) => [
      name,
      String(launches),
      number(milliseconds),
      percent(total.milliseconds > 0 ? milliseconds / total.milliseconds : 0),
      rate(flops, milliseconds),
      rate(bytes, milliseconds),
    ]),
  );
}
