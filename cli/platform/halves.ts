/** Reads float32 weights as float16 in worker threads, which saves the main thread half a second per gigabyte. */
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Tinypool } from 'tinypool';
import type { HalfRequest, SummedHalves } from './halfWorker.js';

/** More threads than this are faster than uploads to the GPU. */
const MOST_WORKERS = 4;

let pool: Tinypool | undefined;

/**
 * Reads and rounds values in a worker. Rejects if there are no workers or one fails; the caller then reads by itself and
 * reports what is wrong with the file.
 *
 * @param script the worker's compiled file, for tests
 */
export async function readHalvesInThread(
  request: HalfRequest,
  script = fileURLToPath(new URL('./halfWorker.js', import.meta.url)),
): Promise<SummedHalves> {
  if (!pool) {
    if (!existsSync(script)) throw new Error('uncompiled sources have no workers');
    pool = new Tinypool({
      filename: script,
      minThreads: 0,
      maxThreads: Math.max(1, Math.min(MOST_WORKERS, availableParallelism() - 1)),
      // Workers survive from one model to the next, but not longer: each holds memory of the size of the largest tensor.
      idleTimeout: 2_000,
    });
  }
  return pool.run(request);
}
