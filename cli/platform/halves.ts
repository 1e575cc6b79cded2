/** Float32 weights of a file as float16, rounded by threads: half a second for each gigabyte that the main thread is spared. */
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Tinypool } from 'tinypool';
import type { HalfRequest, SummedHalves } from './halfWorker.js';

/** More than this many are faster than uploads. */
const MOST_WORKERS = 4;

let pool: Tinypool | undefined;

/**
 * Rejects where there are no threads, or one fails: the caller then does without, and finds what is wrong with the file.
 *
 * @param script the worker's compiled file, for tests
 */
export async function readHalvesInThread(
  request: HalfRequest,
  script = fileURLToPath(new URL('./halfWorker.js', import.meta.url)),
): Promise<SummedHalves> {
  if (!pool) {
    if (!existsSync(script)) throw new Error('sources that are run without being compiled have no threads');
    pool = new Tinypool({
      filename: script,
      minThreads: 0,
      maxThreads: Math.max(1, Math.min(MOST_WORKERS, availableParallelism() - 1)),
      // Long enough for one model to follow another; a thread holds memory of the size of the largest tensor.
      idleTimeout: 2_000,
    });
  }
  return pool.run(request);
}
