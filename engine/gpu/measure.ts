/** Timing: medians of samples that alternate between the things compared, so that all run under the same conditions. */

import type { Gpu } from './gpu.js';
import { encode, type Launch } from './launch.js';

/** Milliseconds of one run, over samples that are each the mean of `runs` runs. */
export interface Timing {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  /** In the order in which they were taken. */
  readonly samples: readonly number[];
  readonly runs: number;
}

/**
 * The middle value, or the mean of the two middle ones.
 *
 * @throws Error when there are no values
 */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw new Error('the median of no values');
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** The median, minimum and maximum of samples. */
export const summarise = (samples: readonly number[], runs: number): Timing => ({
  median: median(samples),
  min: Math.min(...samples),
  max: Math.max(...samples),
  samples,
  runs,
});

/** Something that can be run again and again. */
export interface Runner {
  /** Runs `count` times, waits until all of it is done, and gives the milliseconds that this took. */
  run(count: number): Promise<number>;
}

/** How often to sample. */
export interface Repetition {
  /** Samples of each runner. */
  readonly repeats: number;
  /** The least duration of a sample: short runs are repeated, so that the wait for the device hardly counts. */
  readonly leastMs: number;
  /** The most runs per sample. */
  readonly mostRuns?: number;
  /** Milliseconds of the same work before each sample that do not count: `warmUpFor`. Default 0. */
  readonly warmMs?: number;
}

/** An idle GPU raises its clocks within some ten milliseconds of load (an H200 idles at 345 MHz). */
const WARM_UP_MS = 30;
/** CPU adapters need no warm-up. */
export const warmUpFor = ({ adapter }: Gpu): number => (adapter.software ? 0 : WARM_UP_MS);

/** Runs it for about `milliseconds`, and returns the milliseconds of one run at the end. */
export async function warmUp(runner: Runner, milliseconds: number): Promise<number> {
  await runner.run(1);
  let one = await runner.run(1);
  for (const end = performance.now() + milliseconds; performance.now() < end; ) {
    const runs = Math.max(1, Math.min(1000, Math.ceil(milliseconds / 4 / Math.max(one, 1e-3))));
    one = (await runner.run(runs)) / runs;
  }
  return one;
}

/** How many runs make a sample of `leastMs`, when one takes `milliseconds`. */
export const runsFor = (milliseconds: number, { leastMs, mostRuns = 1000 }: Repetition): number =>
  Math.max(1, Math.min(mostRuns, Math.ceil(leastMs / Math.max(milliseconds, 1e-3))));

/**
 * Times the runners in turns: a sample of each, then again, `repeats` times. Two runs of each go first and do not count:
 * adapters compile in the first, and the second says how many runs make a sample.
 */
export async function alternate(
  runners: readonly Runner[],
  repetition: Repetition,
  onSample: (done: number, total: number) => void = () => {},
): Promise<Timing[]> {
  const { warmMs = 0 } = repetition;
  const timed: { runner: Runner; runs: number; samples: number[] }[] = [];
  for (const runner of runners)
    timed.push({ runner, runs: runsFor(await warmUp(runner, warmMs), repetition), samples: [] });
  for (let round = 0; round < repetition.repeats; round++)
    for (const [i, { runner, runs, samples }] of timed.entries()) {
      if (warmMs > 0) await warmUp(runner, warmMs);
      samples.push((await runner.run(runs)) / runs);
      onSample(round * runners.length + i + 1, repetition.repeats * runners.length);
    }
  return timed.map(({ samples, runs }) => summarise(samples, runs));
}

/** Runs of a plan as a training loop makes them: each its own submission, waited for after the last. */
export const planRunner = (gpu: Gpu, plan: { run(): void }): Runner => ({
  async run(count) {
    const started = performance.now();
    for (let i = 0; i < count; i++) plan.run();
    await finished(gpu);
    return performance.now() - started;
  },
});

/** The launches of a plan `count` times in one submission: the kernels alone, without what a submission costs. */
export const kernelRunner = (gpu: Gpu, plan: { readonly launches: readonly Launch[] }): Runner => ({
  async run(count) {
    const encoder = gpu.device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    for (let i = 0; i < count; i++) encode(pass, plan.launches);
    pass.end();
    const commands = encoder.finish();
    const started = performance.now();
    gpu.device.queue.submit([commands]);
    await finished(gpu);
    return performance.now() - started;
  },
});

async function finished(gpu: Gpu): Promise<void> {
  await gpu.wait(gpu.device.queue.onSubmittedWorkDone());
  gpu.check();
}
