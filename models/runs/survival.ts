/** Recovery from a lost device, and freeing of what a run has allocated. */
import { DeviceLostError } from '../../engine/index.js';
import type { Job } from '../job.js';

/** Device losses that a run survives. */
const MOST_LOSSES = 3;

/**
 * Runs `attempt` again with a new device when the one in use is lost.
 *
 * @param attempt receives the job with the current device, and whether it resumes an earlier attempt
 * @throws DeviceLostError when the device is lost again and again; the run can be continued later
 */
export async function survivingLoss<T>(
  job: Job,
  attempt: (job: Job, again: boolean) => Promise<T>,
): Promise<T> {
  for (let losses = 0; ; losses++) {
    const { gpu } = job;
    try {
      return await attempt({ ...job, gpu }, losses > 0);
    } catch (error) {
      const loss = await gpu.lossBehind(error);
      if (!loss) throw error;
      const { message } = loss;
      if (!job.reopen || losses === MOST_LOSSES)
        throw new DeviceLostError(
          losses === 0
            ? message
            : `${message}; it was lost ${losses + 1} times: continue later with --resume`,
        );
      job.note(
        `${message}: opening it again and going on from what is saved (${losses + 1} of ${MOST_LOSSES})`,
      );
      await job.reopen();
    }
  }
}

interface Owned {
  destroy(): void;
}

/** Registers a resource to be freed at the end, and returns it. */
export type Own = <R extends Owned>(resource: R) => R;

/** Runs `work`, then frees what it registered, the last first, even after an error. */
export async function freeing<T>(work: (own: Own) => Promise<T>): Promise<T> {
  const owned: Owned[] = [];
  try {
    return await work((resource) => {
      owned.push(resource);
      return resource;
    });
  } finally {
    for (const resource of owned.reverse()) resource.destroy();
  }
}
