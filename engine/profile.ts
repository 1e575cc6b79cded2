/** Where the time of a plan goes, kernel by kernel. */
import type { Gpu } from './gpu.js';
import { encode } from './launch.js';
import type { Plan } from './plan.js';

export interface KernelTime {
  /** Shader and entry point. */
  readonly name: string;
  readonly launches: number;
  /** Milliseconds of all its launches in one run. */
  readonly milliseconds: number;
}

/**
 * Times every launch of a plan by itself: `repeats` times in one submission, waited for. Works on every adapter; on a
 * fast GPU the wait itself (some 0.1 ms) has to be small against `repeats` launches. Most time first.
 */
export async function profile(gpu: Gpu, plan: Plan, repeats = 4): Promise<KernelTime[]> {
  const { device } = gpu;
  const times = new Map<string, { launches: number; milliseconds: number }>();
  for (const launch of plan.launches) {
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    encode(pass, Array(repeats).fill(launch));
    pass.end();
    const commands = encoder.finish();
    const started = performance.now();
    device.queue.submit([commands]);
    await gpu.wait(device.queue.onSubmittedWorkDone());
    const entry = times.get(launch.name) ?? { launches: 0, milliseconds: 0 };
    entry.launches++;
    entry.milliseconds += (performance.now() - started) / repeats;
    times.set(launch.name, entry);
  }
  return [...times]
    .map(([name, entry]) => ({ name, ...entry }))
    .sort((a, b) => b.milliseconds - a.milliseconds);
}
