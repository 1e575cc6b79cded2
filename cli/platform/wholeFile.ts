/**
 * Files that are there whole or not at all, whatever ends the process or the machine: written beside their place, flushed, renamed,
 * and the folder flushed.
 */
import { randomBytes } from 'node:crypto';
import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { OutputError } from '../../engine/errors.js';
import type { WrittenPiece } from '../../models/platform.js';
import { files, type OutputFile } from './files.js';

/** What names of ours end in while a file is being written. */
const TEMPORARY = /\.[0-9a-f]{12}\.tmp$/;

/** Those that this process is writing. */
const underWay = new Set<string>();

/**
 * @param data a patch overwrites bytes that earlier pieces have written
 * @throws OutputError naming `path` where it cannot be written; what was there is then untouched, and nothing is left beside it
 *   where the file system lets it be removed. What `data` itself throws comes through
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

/** The same with what is there already and `text` behind it; for small files. */
export async function appendWhole(path: string, text: string): Promise<void> {
  const there = await told(path, () => readFile(path)).catch((error) => {
    if (codeOf(error.cause) === 'ENOENT') return Buffer.alloc(0);
    throw error;
  });
  await writeWhole(path, Buffer.concat([there, Buffer.from(text)]));
}

/** Removes what processes that were killed while they wrote have left in a folder. Returns the names. */
export async function removeLeftovers(folder: string): Promise<string[]> {
  const names = await told(folder, () => readdir(folder)).catch((error) => {
    if (codeOf(error.cause) === 'ENOENT') return [];
    throw error;
  });
  const left = names.filter((name) => TEMPORARY.test(name) && !underWay.has(join(folder, name)));
  for (const name of left) await told(join(folder, name), () => files.remove(join(folder, name)));
  return left;
}

/** Where a path leads: a link stays one. Devices and pipes are refused, as a file would take their place. */
async function placeOf(path: string): Promise<string> {
  const target = await realpath(path).catch(() => path);
  const there = await stat(target).catch(() => undefined);
  if (there && !there.isFile())
    throw new OutputError(
      `${path} cannot be written: it is ${there.isDirectory() ? 'a folder' : 'no regular file'}`,
      'Choose another place.',
    );
  return target;
}

/** New folders are flushed into their parents too. */
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
      throw new Error(`${path}: a patch reaches beyond what is written`);
    await told(path, () => writeAll(file, bytes, at));
    end = Math.max(end, at + bytes.length);
  }
  const size = await told(path, () => file.size());
  if (size !== end) throw unwritable(path, new Error(`the disk has ${size} of its ${end} bytes`));
}

async function writeAll(file: OutputFile, bytes: Uint8Array, at: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const taken = await file.write(bytes.subarray(done), at + done);
    if (taken <= 0) throw new Error(`the disk took ${done} of ${bytes.length} bytes`);
    done += taken;
  }
}

/** Only failures of the file system are ours to put into words. */
async function told<T>(path: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    throw unwritable(path, error);
  }
}

export function unwritable(path: string, cause: unknown): OutputError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new OutputError(
    `${path} cannot be written: ${reason}`,
    'Check permissions and free space, or choose another place.',
    { cause },
  );
}

const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException | undefined)?.code;
