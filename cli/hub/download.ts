/** Downloads one file: resumes what is there, tries again when the connection breaks, and checks the hash. */
import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, open, rename, rm, stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { UserError } from '../../engine/errors.js';
import { SilenceError } from './http.js';
import type { Content, HubFile } from './repository.js';

export interface DownloadOptions {
  /** The content from a byte on, or from the beginning where the server cannot do that. */
  open(start: number): Promise<Content>;
  onProgress?(bytes: number): void;
  /** Replaces another file at the target. */
  readonly force?: boolean;
  /** Bytes that a folder's disk has room for, undefined where it does not tell. */
  readonly freeBytes?: (folder: string) => Promise<number | undefined>;
  /** Milliseconds before each further try when nothing arrives; an attempt that gets anywhere starts them anew. */
  readonly pauses?: readonly number[];
}

const PAUSES = [1000, 2000, 4000, 8000];
/** What an attempt must add to count as one that gets anywhere: a server that breaks off behind each byte is given up. */
const WORTHWHILE = 2 ** 16;

/**
 * Puts `file` at `target`. Until it is complete and its hash is right it is called `target.HASH.part`; a later call
 * continues there.
 *
 * @returns whether anything was downloaded; false when the file was there already
 * @throws UserError when another file is at the target or the hash is wrong; after the last try, what the last one threw
 */
export async function download(file: HubFile, target: string, options: DownloadOptions): Promise<boolean> {
  if (!(file.hash.kind === 'sha256' ? /^[0-9a-f]{64}$/ : /^[0-9a-f]{40}$/).test(file.hash.hex))
    throw new UserError(`the server gives no checksum of ${file.name}`, 'use another --endpoint');
  if ((await sizeOf(target)) !== undefined) {
    if ((await digest(target, file)) === file.hash.hex) {
      options.onProgress?.(file.size);
      return false;
    }
    if (!options.force)
      throw new UserError(
        `${target} exists and is not the file of the repository`,
        'give another folder with --out, or add --force to replace it',
      );
  }
  const part = `${target}.${file.hash.hex.slice(0, 12)}.part`;
  await checkRoom(file, target, (await sizeOf(part)) ?? 0, options);
  await fetchAll(file, part, options);
  const found = await digest(part, file);
  if (found !== file.hash.hex) {
    await rm(part, { force: true });
    throw new UserError(
      `${file.name}: the checksum of what arrived is ${found}, not ${file.hash.hex}`,
      'run the command again; if it happens again, a proxy or the mirror changes the file',
    );
  }
  await rename(part, target);
  await flushFolder(dirname(target));
  return true;
}

/** Keeps the new name through a loss of power; not every system can. */
async function flushFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r').catch(() => undefined);
  await handle?.sync().catch(() => undefined);
  await handle?.close();
}

/** A server may list what no disk holds; better said than tried. */
async function checkRoom(
  { name, size }: HubFile,
  target: string,
  there: number,
  { freeBytes = roomOn }: DownloadOptions,
): Promise<void> {
  const free = await freeBytes(dirname(target));
  if (free !== undefined && size - there > free)
    throw new UserError(
      `${name} needs ${size - there} bytes more, and ${dirname(target)} has room for ${free}`,
      'make room, or give another folder with --out',
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
      // An empty file has nothing to fetch, but must be there.
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
      // It was waited for long enough.
      if (error instanceof SilenceError) failures = Math.max(failures, pauses.length - 1);
      if (failures >= pauses.length) throw error;
      await sleep(pauses[failures++]);
    }
  }
}

/** One attempt; ends early without an error when the server closes the connection properly but too soon. */
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

/** More than there should be: what was added to the part is no use. */
async function startOver(file: HubFile, handle: FileHandle, start: number): Promise<Error> {
  await handle.truncate(0);
  const problem = `the server sends more than the ${file.size} bytes of ${file.name}`;
  return start === 0
    ? new UserError(problem, 'run the command again, or use another --endpoint')
    : new Error(problem);
}

async function writeAll(handle: FileHandle, chunk: Uint8Array): Promise<void> {
  for (let done = 0; done < chunk.length; ) done += (await handle.write(chunk, done)).bytesWritten;
}

/** Trying again would not help. */
const unwritable = (path: string, { message }: Error): UserError =>
  new UserError(`${path} cannot be written: ${message}`, 'check permissions and free space');

/** SHA-256, or the SHA-1 that Git gives the content as a blob, in hex. */
async function digest(path: string, { hash }: HubFile): Promise<string> {
  const state: Hash =
    hash.kind === 'sha256' ? createHash('sha256') : createHash('sha1').update(`blob ${await sizeOf(path)}\0`);
  for await (const chunk of createReadStream(path)) state.update(chunk);
  return state.digest('hex');
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    const found = await stat(path);
    // A pipe would be waited for without end.
    if (!found.isFile())
      throw new UserError(`${path} is in the way and no file`, 'give another folder with --out');
    return found.size;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
