/** An image file's way through this process: read, decoded, used and forgotten, with bounded memory for all at a time. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { workerData } from 'node:worker_threads';
import { BrokenImage } from '../../models/datasets/skipped.js';
import type { DecodedFile, UseImage } from '../../models/images/types.js';
import { UnreadableFile } from '../../models/platform.js';
import { DecodeGate } from './decodeGate.js';
import { decodeImage, type ImageHeader, readImageHeader } from './nodeImage.js';
import { requireFile, unreadable } from './readable.js';

const MIB = 2 ** 20;
/** A file of more bytes goes alone, as its header is read behind them: an image that Pillow reads is rarely so large. */
const LARGE_FILE = 32 * MIB;
const ALONE = 2 ** 40;
/** Memory that waits for the collector from image to image is worth a collection, which takes some 20 ms, from here on. */
const LARGE_IMAGE = 64 * MIB;
const SWEEP_MS = 5;
/** Files that a thread has open at a time. */
const AT_ONCE = 16;

/** Of this process: its workers get the main thread's counter. */
export const decodeGate = new DecodeGate(gateOfMainThread());

function gateOfMainThread(): SharedArrayBuffer | undefined {
  // Tinypool puts its own data first.
  const given = Array.isArray(workerData) ? workerData[1]?.gate : undefined;
  return given instanceof SharedArrayBuffer ? given : undefined;
}

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

/** What makes a file unreadable makes it a broken image; what the machine lacks, such as handles, does not. */
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
 * Has the memory of images that are not used any more given back now. Left to itself, Node keeps one or two of half a gigabyte
 * in every thread.
 */
async function collect(): Promise<void> {
  if (!collector) {
    setFlagsFromString('--expose-gc');
    collector = runInNewContext('typeof gc === "function" ? gc : () => {}') as () => void;
  }
  collector();
  // V8 sweeps in another thread, and Node frees behind its present work: a worker that waits would never come to it.
  await sleep(SWEEP_MS);
}
