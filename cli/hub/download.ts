/** Downloads one file: resumes partial downloads, retries broken connections, and checks the hash. */
import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, open, rename, rm, stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { UserError } from '../../engine/errors.js';
import { SilenceError } from './http.js';
import type { Content, HubFile } from './repository.js';

/** How to download a file. */
export interface DownloadOptions {
  /** Opens the content from byte `start`, or from the beginning if the server does not support ranges. */
  open(start: number): Promise<Content>;
  /** Called with the number of bytes that are there so far. */
  onProgress?(bytes: number): void;
  /** Replace a different file at the target. */
  readonly force?: boolean;
  /** Free bytes on the disk of a folder; undefined if unknown. */
  readonly freeBytes?: (folder: string) => Promise<number | undefined>;
  /** Milliseconds before each retry; an attempt that makes progress starts over with the first. */
  readonly pauses?: readonly number[];
}

const PAUSES = [1000, 2000, 4000, 8000];
/** Bytes that an attempt must add to count as progress, so that a server which breaks off after each byte is given up. */
const WORTHWHILE = 2 ** 16;

/**
 * Downloads `file` to `target`. Until it is complete and its hash is verified it is called `target.HASH.part`, where a later
 * call continues.
 *
 * @returns false if the file was there already
 * @throws UserError if a different file is at the target or the hash is wrong; after the last retry, its error
 */
export async function download(file: HubFile, target: string, options: DownloadOptions): Promise<boolean> {
  if (!(file.hash.kind === 'sha256' ? /^[0-9a-f]{64}$/ : /^[0-9a-f]{40}$/).test(file.hash.hex))
    throw new UserError(`the server gives no checksum for ${file.name}`, 'give another --endpoint URL');
  if ((await sizeOf(target)) !== undefined) {
    if ((await digest(target, file)) === file.hash.hex) {
      options.onProgress?.(file.size);
      return false;
    }
    if (!options.force)
      throw new UserError(
        `${target} exists and differs from the file in the repository`,
        'give another --out FOLDER, or add --force to replace the file',
      );
  }
  const part = `${target}.${file.hash.hex.slice(0, 12)}.part`;
  await checkRoom(file, target, (await sizeOf(part)) ?? 0, options);
  await fetchAll(file, part, options);
  const found = await digest(part, file);
  if (found !== file.hash.hex) {
    await rm(part, { force: true });
    throw new UserError(
      `${file.name}: the checksum of the download is ${found}, not ${file.hash.hex}`,
      'run the command again; if this repeats, check whether a proxy or mirror changes the file',
    );
  }
  await rename(part, target);
  await flushFolder(dirname(target));
  return true;
}

/** Makes the rename survive a power loss; not supported everywhere. */
async function flushFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r').catch(() => undefined);
  await handle?.sync().catch(() => undefined);
  await handle?.close();
}

/** Refuses a file that the disk has no room for, before it is downloaded. */
async function checkRoom(
  { name, size }: HubFile,
  target: string,
  there: number,
  { freeBytes = roomOn }: DownloadOptions,
): Promise<void> {
  const free = await freeBytes(dirname(target));
  if (free !== undefined && size - there > free)
    throw new UserError(
      `${name} needs ${size - there} more bytes, but ${dirname(target)} has room for ${free}`,
      'free some space, or give another --out FOLDER',
    );
}

async function roomOn(folder: string): Promise<number | undefined> {
  const found = await statfs(folder).catch(() => undefined);
  return found && found.blocks > 0 ? found.bavail * found.bsize : undefined;
}

/** Appends to `part` until it has the whole size. */
async function fetchAll(file: HubFile, part: string, options: DownloadOptions): Promise<void> {
  const pauses = options.pauses ?? PAUSES;
  let failures = 0;
  let furthest = 0;
  for (;;) {
    const start = (await sizeOf(part)) ?? 0;
    if (start === file.size) {
      options.onProgress?.(start);
      // An empty file needs no download, but must exist.
      await (await open(part, 'a')).close();
      return;
    }
    try {
      if (start > file.size) await rm(part);
      else await append(file, part, start, options);
    } catch (error) {
      if (error instanceof UserError) throw error;
      const reached = (await sizeOf(part)) ?? 0;
      if (reached >= Math.max(start, furthest) + WORTHWHILE) failures = 0;
      furthest = Math.max(reached, furthest);
      // The wait was long enough: no more than one retry.
      if (error instanceof SilenceError) failures = Math.max(failures, pauses.length - 1);
      if (failures >= pauses.length) throw error;
      await sleep(pauses[failures++]);
    }
  }
}

/** One attempt. If the server closes the connection cleanly but too early, it ends without an error. */
async function append(file: HubFile, part: string, start: number, options: DownloadOptions): Promise<void> {
  const { from, chunks } = await options.open(start);
  const handle = await open(part, 'a').catch((error) => {
    throw unwritable(part, error);
  });
  let size = from;
  try {
    if (from < start) await handle.truncate(from);
    for await (const chunk of chunks) {
      size += chunk.length;
      if (size > file.size) throw await startOver(file, handle, from);
      await writeAll(handle, chunk).catch((error) => {
        throw unwritable(part, error);
      });
      options.onProgress?.(size);
    }
    if (size === from) throw new Error('the connection ended before anything arrived');
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** The server sent too much, so the partial file is useless. */
async function startOver(file: HubFile, handle: FileHandle, start: number): Promise<Error> {
  await handle.truncate(0);
  const problem = `the server sends more than the ${file.size} bytes of ${file.name}`;
  return start === 0
    ? new UserError(problem, 'run the command again, or give another --endpoint URL')
    : new Error(problem);
}

async function writeAll(handle: FileHandle, chunk: Uint8Array): Promise<void> {
  for (let done = 0; done < chunk.length; ) done += (await handle.write(chunk, done)).bytesWritten;
}

/** A UserError, because a retry would not help. */
const unwritable = (path: string, { message }: Error): UserError =>
  new UserError(`${path} cannot be written: ${message}`, 'check permissions and free space');

/** SHA-256, or Git's SHA-1 of a blob, in hex. */
async function digest(path: string, { hash }: HubFile): Promise<string> {
  const state: Hash =
    hash.kind === 'sha256' ? createHash('sha256') : createHash('sha1').update(`blob ${await sizeOf(path)}\0`);
  for await (const chunk of createReadStream(path)) state.update(chunk);
  return state.digest('hex');
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    const found = await stat(path);
    // Reading a pipe could wait forever.
    if (!found.isFile())
      throw new UserError(`${path} exists and is not a regular file`, 'give another --out FOLDER');
    return found.size;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
