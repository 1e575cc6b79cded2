/**
 * Tensors of a file read by threads, which also sum their bytes and round float32 to float16: half a second for each gigabyte that
 * the main thread is spared.
 */
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Tinypool } from 'tinypool';
import type { SummedBytes, SummedHalves, TensorRequest } from './tensorWorker.js';

/** More than this many are faster than uploads. */
const MOST_WORKERS = 4;
const SCRIPT = fileURLToPath(new URL('./tensorWorker.js', import.meta.url));

let pool: Tinypool | undefined;

type Part = Pick<TensorRequest, 'path' | 'offset' | 'length'>;

/**
 * Float32 values of a file as float16. Rejects where there are no threads, or one fails: the caller then does without, and finds what
 * is wrong with the file.
 *
 * @param script the worker's compiled file, for tests
 */
export const readHalvesInThread = (part: Part, sum: boolean, script = SCRIPT): Promise<SummedHalves> =>
  run<SummedHalves>({ ...part, sum, round: true }, script);

/** Bytes of a file and their CRC-32. Rejects as `readHalvesInThread` does. */
export const readSummedInThread = (part: Part, script = SCRIPT): Promise<SummedBytes> =>
  run<SummedBytes>({ ...part, sum: true, round: false }, script);

async function run<T>(request: TensorRequest, script: string): Promise<T> {
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
