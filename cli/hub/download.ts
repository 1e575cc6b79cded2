/** Downloads one file: resumes what is there, tries again when the connection breaks, and checks the hash. */
import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, open, rename, rm, stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { UserError } from '../../engine/errors.js';
import type { HubFile } from './repository.js';

export interface DownloadOptions {
  /** The content from a byte on. */
  open(start: number): Promise<ReadableStream<Uint8Array>>;
  onProgress?(bytes: number): void;
  /** Replaces another file at the target. */
  readonly force?: boolean;
  /** Milliseconds before each further try when nothing arrives; an attempt that gets anywhere starts them anew. */
  readonly pauses?: readonly number[];
}

const PAUSES = [1000, 2000, 4000, 8000];

/**
 * Puts `file` at `target`. Until it is complete and its hash is right it is called `target.HASH.part`; a later call
 * continues there.
 *
 * @returns whether anything was downloaded; false when the file was there already
 * @throws UserError when another file is at the target or the hash is wrong; after the last try, what the last one threw
 */
export async function download(file: HubFile, target: string, options: DownloadOptions): Promise<boolean> {
  if (!/^[0-9a-f]{40,64}$/.test(file.hash.hex))
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
  return true;
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
      if (reached > Math.max(start, furthest)) failures = 0;
      furthest = Math.max(reached, furthest);
      if (failures >= pauses.length) throw error;
      await sleep(pauses[failures++]);
    }
  }
}

/** One attempt; ends early without an error when the server closes the connection properly but too soon. */
async function append(file: HubFile, part: string, start: number, options: DownloadOptions): Promise<void> {
  const stream = await options.open(start);
  const handle = await open(part, 'a').catch((error) => {
    throw unwritable(part, error);
  });
  let size = start;
  try {
    for await (const chunk of stream) {
      size += chunk.length;
      if (size > file.size) throw await startOver(file, handle, start);
      await writeAll(handle, chunk).catch((error) => {
        throw unwritable(part, error);
      });
      options.onProgress?.(size);
    }
    if (size === start) throw new Error('the connection ended before anything arrived');
  } finally {
    await handle.close();
  }
}

/** A server that cannot resume sends the file from its beginning: what was added to the part is no use. */
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
    return (await stat(path)).size;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
