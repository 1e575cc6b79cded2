import { type Gpu, openGpu } from '../../engine/gpu/gpu.js';
import type { Job } from '../../models/job.js';
import { testJob } from './job.js';

/**
 * A job whose devices are destroyed, each before the `n`-th submission of work to it for the next of `losses`; the last device
 * stays. `notes` has what was said, `opened` how many devices there were.
 */
export async function losingJob(
  losses: readonly number[],
): Promise<{ job: Job; notes: string[]; opened: () => number; close: () => void }> {
  const notes: string[] = [];
  const left = [...losses];
  let opened = 0;
  const open = async (): Promise<Gpu> => {
    const gpu = await openGpu();
    opened++;
    const after = left.shift();
    if (after !== undefined) destroyBefore(gpu, after);
    return gpu;
  };
  let gpu = await open();
  const job: Job = {
    ...(await testJob()),
    get gpu() {
      return gpu;
    },
    note: (line) => notes.push(line),
    reopen: async () => {
      gpu = await open();
    },
  };
  // A spread has read the getter once.
  return { job, notes, opened: () => opened, close: () => gpu.destroy() };
}

function destroyBefore({ device }: Gpu, submission: number): void {
  const { queue } = device;
  const submit = queue.submit.bind(queue);
  let count = 0;
  queue.submit = (commands: Iterable<GPUCommandBuffer>) => {
    if (++count === submission) device.destroy();
    return submit(commands);
  };
}

/** Submissions of work to a job's device while `run` goes on. */
export async function countSubmissions({ gpu }: Job, run: () => Promise<unknown>): Promise<number> {
  const { queue } = gpu.device;
  const submit = queue.submit.bind(queue);
  let count = 0;
  queue.submit = (commands: Iterable<GPUCommandBuffer>) => {
    count++;
    return submit(commands);
  };
  await run();
  queue.submit = submit;
  return count;
}
