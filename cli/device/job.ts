/** Opens what a computing command needs (device, files, progress), and closes all of it in the end. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Job } from '../../models/job.js';
import { reportHtml } from '../../report/runReport.js';
import { KernelReport } from '../debug/kernelReport.js';
import { mark } from '../debug/trace.js';
import { defaultWorkers, openImagePool } from '../platform/imagePool.js';
import { nodePlatform } from '../platform/node.js';
import { createProgress } from '../terminal/progress.js';
import { createStop } from '../terminal/stop.js';
import { addGpuOptions, commandGpu, type GpuFlags, type PrecisionFlags } from './gpu.js';

/** Flags of `addJobOptions`. */
export interface JobFlags extends GpuFlags {
  readonly workers?: number;
}

/** Adds the GPU options and, for commands that read images, `--workers`. */
export function addJobOptions(command: Command): Command {
  return addGpuOptions(command).addOption(
    new Option(
      '--workers <n>',
      'threads that decode and crop images; results do not depend on it; 0: the main thread only (default: depends on the machine)',
    )
      .env('PROMPTKD_WORKERS')
      .argParser(parseWorkers),
  );
}

function parseWorkers(text: string): number {
  if (!/^\d{1,3}$/.test(text)) throw new InvalidArgumentError('Give a whole number, 0 or more.');
  return Number(text);
}

/**
 * Runs `work` on the adapter that the flags choose. Nothing before it may be slow or write: if the embedded adapter is
 * needed, the command starts over in another process.
 */
export async function withJob<T>(
  flags: JobFlags & PrecisionFlags,
  work: (job: Job) => Promise<T>,
): Promise<T> {
  const kernels = new KernelReport();
  let gpu = await commandGpu(flags);
  kernels.attach(gpu);
  const progress = createProgress();
  const workers = flags.workers ?? defaultWorkers(gpu.capabilities.software);
  const images = openImagePool(nodePlatform, workers);
  try {
    return await work({
      get gpu() {
        return gpu;
      },
      reopen: async () => {
        gpu.destroy();
        gpu = await commandGpu(flags, { announce: false });
        kernels.attach(gpu);
      },
      platform: images.platform,
      precision: flags.precision,
      begin: (label, total) => progress.begin(label, total),
      note: (line) => progress.note(line),
      stop: createStop((line) => progress.note(line)),
      mark,
      report: reportHtml,
    });
  } finally {
    progress.close();
    await images.close();
    await kernels.finish();
    gpu.destroy();
  }
}
