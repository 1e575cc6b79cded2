/** Reads and decodes an image file, uses it and frees it, with a bound on the memory of all images at the same time. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { workerData } from 'node:worker_threads';
import { UnreadableFile } from '../../formats/files.js';
import { BrokenImage } from '../../models/datasets/skipped.js';
import type { DecodedFile, UseImage } from '../../models/images/types.js';
import { DecodeGate } from './decodeGate.js';
import { decodeImage, type ImageHeader, readImageHeader } from './nodeImage.js';
import { requireFile, unreadable } from './readable.js';

const MIB = 2 ** 20;
/** Larger files are read alone, because their size in memory is known only after reading. They are rare. */
const LARGE_FILE = 32 * MIB;
const ALONE = 2 ** 40;
/** Above this size, freeing an image at once is worth a garbage collection of some 20 ms. */
const LARGE_IMAGE = 64 * MIB;
const SWEEP_MS = 5;
/** How many files a thread has open at the same time. */
const AT_ONCE = 16;

/** The gate of this process; workers share the counter of the main thread. */
export const decodeGate = new DecodeGate(gateOfMainThread());

function gateOfMainThread(): SharedArrayBuffer | undefined {
  // Tinypool puts its own data first.
  const given = Array.isArray(workerData) ? workerData[1]?.gate : undefined;
  return given instanceof SharedArrayBuffer ? given : undefined;
}

/** Decodes an image and passes it to a function, within the memory bound. See `Platform.useImage`. */
export const useImage: UseImage = (path, hash, use) =>
  inTurn(async () => {
    const size = await sizeOf(path);
    if (size > LARGE_FILE)
      return decodeGate.hold(ALONE, async () => decodeAndUse(await read(path), path, hash, use));
    const file = await read(path);
    return decodeGate.hold(file.header.bytes, () => decodeAndUse(file, path, hash, use));
  });

interface ReadFile {
  readonly bytes: Uint8Array;
  readonly header: ImageHeader;
}

async function decodeAndUse<T>(
  { bytes, header }: ReadFile,
  path: string,
  hash: boolean,
  use: (image: DecodedFile) => T,
): Promise<T> {
  const decode = async () => {
    const image = await decodeImage(path, bytes, header);
    return use(hash ? { ...image, hash: createHash('sha256').update(bytes).digest('hex') } : image);
  };
  try {
    return await decode();
  } finally {
    if (header.bytes > LARGE_IMAGE) await collect();
  }
}

async function read(path: string): Promise<ReadFile> {
  const bytes = await asImage(path, () => readFile(path));
  return { bytes, header: await readImageHeader(path, bytes) };
}

const sizeOf = (path: string) => asImage(path, async () => (await requireFile(path)).size);

/** An unreadable file is a broken image; a shortage of the machine, such as file handles, is not. */
async function asImage<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const said = unreadable(path, error);
    throw said instanceof UnreadableFile ? new BrokenImage(path, said.reason) : said;
  }
}

let free = AT_ONCE;
const waiting: (() => void)[] = [];

async function inTurn<T>(work: () => Promise<T>): Promise<T> {
  if (free > 0) free--;
  else await new Promise<void>((resolve) => waiting.push(resolve));
  try {
    return await work();
  } finally {
    const next = waiting.shift();
    if (next) next();
    else free++;
  }
}

let collector: (() => void) | undefined;

/**
 * Frees the memory of unused images now. By itself Node would keep one or two images of half a gigabyte in every thread.
 */
async function collect(): Promise<void> {
  if (!collector) {
    setFlagsFromString('--expose-gc');
    collector = runInNewContext('typeof gc === "function" ? gc : () => {}') as () => void;
  }
  collector();
  // V8 sweeps in another thread and Node frees afterwards, which a waiting worker would never get to.
  await sleep(SWEEP_MS);
}
