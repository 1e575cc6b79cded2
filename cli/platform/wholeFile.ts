/**
 * Atomic writes: a file is complete or absent, whatever ends the process or the machine. It is written under a temporary name,
 * flushed and renamed, and the folder is flushed.
 */
import { randomBytes } from 'node:crypto';
import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { OutputError } from '../../engine/errors.js';
import type { WrittenPiece } from '../../formats/files.js';
import { files, type OutputFile } from './files.js';

/** Ending of temporary names. */
const TEMPORARY = /\.[0-9a-f]{12}\.tmp$/;

/** Temporary files that this process is writing. */
const underWay = new Set<string>();

/**
 * Writes a file atomically.
 *
 * @param data a patch overwrites bytes that earlier pieces have written
 * @throws OutputError naming `path` if it cannot be written; an existing file is then unchanged, and the temporary file removed
 *   if possible. Errors of `data` itself are passed on
 */
export async function writeWhole(
  path: string,
  data: Uint8Array | string | AsyncIterable<WrittenPiece>,
): Promise<void> {
  const target = await placeOf(path);
  const temporary = `${target}.${randomBytes(6).toString('hex')}.tmp`;
  underWay.add(temporary);
  try {
    await prepareFolder(path, dirname(target));
    const file = await told(path, () => files.create(temporary));
    try {
      await fill(path, file, typeof data === 'string' ? new TextEncoder().encode(data) : data);
      await told(path, () => file.sync());
    } finally {
      await told(path, () => file.close());
    }
    await told(path, () => files.rename(temporary, target));
    await told(path, () => files.syncFolder(dirname(target)));
  } catch (error) {
    await files.remove(temporary).catch(() => undefined);
    throw error;
  } finally {
    underWay.delete(temporary);
  }
}

/** Appends to a small file by rewriting it atomically. */
export async function appendWhole(path: string, text: string): Promise<void> {
  const there = await told(path, () => readFile(path)).catch((error) => {
    if (codeOf(error.cause) === 'ENOENT') return Buffer.alloc(0);
    throw error;
  });
  await writeWhole(path, Buffer.concat([there, Buffer.from(text)]));
}

/** Removes temporary files that killed processes have left in a folder. Returns their names. */
export async function removeLeftovers(folder: string): Promise<string[]> {
  const names = await told(folder, () => readdir(folder)).catch((error) => {
    if (codeOf(error.cause) === 'ENOENT') return [];
    throw error;
  });
  const left = names.filter((name) => TEMPORARY.test(name) && !underWay.has(join(folder, name)));
  for (const name of left) await told(join(folder, name), () => files.remove(join(folder, name)));
  return left;
}

/** The target of a path, so that a link stays one. Refuses devices and pipes, which a rename would replace. */
async function placeOf(path: string): Promise<string> {
  const target = await realpath(path).catch(() => path);
  const there = await stat(target).catch(() => undefined);
  if (there && !there.isFile())
    throw new OutputError(
      `${path} cannot be written: it is ${there.isDirectory() ? 'a folder' : 'not a regular file'}`,
      'give another path',
    );
  return target;
}

/** Creates the folder, and flushes the new names into their parents. */
async function prepareFolder(path: string, folder: string): Promise<void> {
  const first = await told(path, () => files.makeFolder(folder));
  if (first === undefined) return;
  for (let made = folder; made.length >= first.length; made = dirname(made))
    await told(path, () => files.syncFolder(dirname(made)));
}

async function fill(
  path: string,
  file: OutputFile,
  data: Uint8Array | AsyncIterable<WrittenPiece>,
): Promise<void> {
  let end = 0;
  for await (const piece of data instanceof Uint8Array ? [data] : data) {
    const [at, bytes] = piece instanceof Uint8Array ? [end, piece] : [piece.at, piece.bytes];
    if (at + bytes.length > end && at !== end)
      throw new Error(`${path}: a patch reaches beyond the bytes written so far`);
    await told(path, () => writeAll(file, bytes, at));
    end = Math.max(end, at + bytes.length);
  }
  const size = await told(path, () => file.size());
  if (size !== end) throw unwritable(path, new Error(`the disk stored ${size} of ${end} bytes`));
}

async function writeAll(file: OutputFile, bytes: Uint8Array, at: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const taken = await file.write(bytes.subarray(done), at + done);
    if (taken <= 0) throw new Error(`the disk accepted ${done} of ${bytes.length} bytes`);
    done += taken;
  }
}

/** Turns errors of the file system into OutputErrors. */
async function told<T>(path: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    throw unwritable(path, error);
  }
}

/** The OutputError for a path that cannot be written. */
export function unwritable(path: string, cause: unknown): OutputError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new OutputError(
    `${path} cannot be written: ${reason}`,
    'check permissions and free space, or give another path',
    { cause },
  );
}

const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException | undefined)?.code;
