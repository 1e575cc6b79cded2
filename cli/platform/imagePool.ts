/** Decodes and crops images in worker threads (`--workers`). */
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Tinypool } from 'tinypool';
import { UserError } from '../../engine/errors.js';
import { BrokenImage } from '../../models/datasets/skipped.js';
import type { PreparedFile, PrepareRequest } from '../../models/images/types.js';
import type { Platform } from '../../models/platform.js';
import type { WorkerResult } from './imageWorker.js';
import { decodeGate } from './useImage.js';

/** More workers do not decode faster: libuv gives sharp four threads unless UV_THREADPOOL_SIZE is set. */
const MOST_WORKERS = 4;

/**
 * The default number of workers. A software adapter computes on the same cores, and the main thread mostly waits for it
 * (docs/decisions.md, "Workers").
 */
export function defaultWorkers(software: boolean, cores = availableParallelism()): number {
  if (software) return cores > 2 ? 1 : 0;
  return Math.max(1, Math.min(MOST_WORKERS, cores - 1));
}

/** libuv's threads decode; meanwhile a worker reads or crops another file. */
const FILES_PER_WORKER = 4;

/** A platform that prepares images in workers. */
export interface ImagePool {
  /** The platform with `prepareImage` in workers, or the given one if there are no workers. */
  readonly platform: Platform;
  /** Ends the workers. Idle workers do not keep the process alive. */
  close(): Promise<void>;
}

/**
 * Opens a pool. No worker starts before the first image is requested.
 *
 * @param workers 0: prepare images in the main thread
 * @param script the worker's compiled file, for tests
 */
export function openImagePool(
  platform: Platform,
  workers: number,
  script = fileURLToPath(new URL('./imageWorker.js', import.meta.url)),
): ImagePool {
  if (workers === 0) return { platform, close: async () => {} };
  // The timeout keeps workers alive between epochs.
  const pool = new Tinypool({
    filename: script,
    minThreads: 0,
    maxThreads: workers,
    idleTimeout: 60_000,
    concurrentTasksPerWorker: FILES_PER_WORKER,
    workerData: { gate: decodeGate.memory },
  });
  const prepareImage = async (request: PrepareRequest): Promise<PreparedFile> => {
    const result = (await pool.run(request)) as WorkerResult;
    if ('broken' in result) throw new BrokenImage(request.path, result.broken);
    if ('mistake' in result) throw new UserError(result.mistake.message, result.mistake.hint);
    return result;
  };
  return {
    platform: { ...platform, prepareImage, imageWorkers: workers },
    close: () => pool.destroy(),
  };
}
