/** What a command that computes needs: a device, files and progress, and that all of it is closed again. */
import type { Job } from '../models/job.js';
import { commandGpu, type GpuFlags, type PrecisionFlags } from './gpu.js';
import { nodePlatform } from './platform/node.js';
import { createProgress } from './progress.js';

/**
 * Runs `work` on the adapter that the flags choose. Nothing before it may take long or write: where the embedded adapter
 * is needed, the command starts again from the beginning.
 */
export async function withJob<T>(
  flags: GpuFlags & PrecisionFlags,
  work: (job: Job) => Promise<T>,
): Promise<T> {
  const gpu = await commandGpu(flags);
  const progress = createProgress();
  try {
    return await work({
      gpu,
      platform: nodePlatform,
      precision: flags.precision,
      begin: (label, total) => progress.begin(label, total),
      note: (line) => progress.note(line),
    });
  } finally {
    progress.close();
    gpu.destroy();
  }
}

/** Prints for programs. Numbers that JSON has not, such as infinite errors, become null. */
export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}
