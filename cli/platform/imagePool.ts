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

/** More than this many decode no faster: libuv has four threads for sharp unless UV_THREADPOOL_SIZE says otherwise. */
const MOST_WORKERS = 4;

/**
 * Workers for this machine. A software adapter computes on the same cores, and there the main thread sleeps most of the
 * time anyway (docs/decisions.md, "Workers").
 */
export function defaultWorkers(software: boolean, cores = availableParallelism()): number {
  if (software) return cores > 2 ? 1 : 0;
  return Math.max(1, Math.min(MOST_WORKERS, cores - 1));
}

/** Decoding happens in libuv's threads; while one file is decoded, its worker reads or crops another. */
const FILES_PER_WORKER = 4;

export interface ImagePool {
  /** The platform with `prepareImage` in workers; the given one where there are none. */
  readonly platform: Platform;
  /** Ends the workers. Without it they end with the process; idle, they do not hold it. */
  close(): Promise<void>;
}

/**
 * Starts no worker before the first image is asked for.
 *
 * @param workers 0: everything in the main thread
 * @param script the worker's compiled file, for tests
 */
export function openImagePool(
  platform: Platform,
  workers: number,
  script = fileURLToPath(new URL('./imageWorker.js', import.meta.url)),
): ImagePool {
  if (workers === 0) return { platform, close: async () => {} };
  // Also keeps a worker from being started and ended again between epochs.
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
    if ('mistake' in result) throw new UserError(result.mistake.message, result.mistake.mend);
    return result;
  };
  return {
    platform: { ...platform, prepareImage, imageWorkers: workers },
    close: () => pool.destroy(),
  };
}
