/** What can be read, and what is said of the rest. */
import { constants, type Dirent, type Stats } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { UserError } from '../../engine/errors.js';
import { type FileKind, UnreadableFile } from '../../models/platform.js';

export const kindOf = (found: Stats | Dirent): FileKind =>
  found.isFile() ? 'file' : found.isDirectory() ? 'folder' : 'other';

/**
 * Before anything is opened: a pipe would wait for whoever writes into it, and a device may be changed by opening it.
 *
 * @throws what `stat` says, or UnreadableFile
 */
export async function requireFile(path: string): Promise<Stats> {
  return checked(path, await stat(path));
}

/**
 * Opens a file and looks at it then, which takes a call less than looking first: for parts of files that were looked at before. Without
 * waiting, should a pipe have come in its place.
 *
 * @throws what `open` says, or UnreadableFile
 */
export async function openFile(path: string): Promise<{ file: FileHandle; size: number }> {
  const file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  try {
    return { file, size: checked(path, await file.stat()).size };
  } catch (error) {
    await file.close();
    throw error;
  }
}

function checked(path: string, found: Stats): Stats {
  if (found.isFile()) return found;
  if (found.isDirectory())
    throw new UnreadableFile(path, 'is a folder, not a file', 'Give the path of a file.');
  const what = found.isFIFO() ? 'a pipe' : found.isSocket() ? 'a socket' : 'a device';
  throw new UnreadableFile(
    path,
    `is ${what}, not a file`,
    'Give the path of a file, or remove it from the data.',
  );
}

/** Codes of faults that are the file's own. Others, such as too many open files, may be gone the next time. */
const OF_THE_FILE = [
  'EIO',
  'EINVAL',
  'ELOOP',
  'ENAMETOOLONG',
  'ERR_FS_FILE_TOO_LARGE',
  'ERR_INVALID_ARG_VALUE',
];

/** The error of a file that cannot be read, for people. */
export function unreadable(path: string, error: unknown): UserError {
  if (error instanceof UserError) return error;
  if (isCode(error, 'ENOENT')) return new UnreadableFile(path, 'does not exist', 'Check the path.');
  if (isCode(error, 'EISDIR'))
    return new UnreadableFile(path, 'is a folder, not a file', 'Give the path of a file.');
  if (isCode(error, 'ENOTDIR'))
    return new UnreadableFile(path, 'is not a folder', 'Give the path of a folder.');
  if (isCode(error, 'EACCES', 'EPERM'))
    return new UnreadableFile(path, 'may not be read', 'Check its permissions.');
  const [said, mend] = [`cannot be read: ${reason(error)}`, 'Check that the file is complete.'];
  return isCode(error, ...OF_THE_FILE)
    ? new UnreadableFile(path, said, mend)
    : new UserError(`${path} ${said}`, mend);
}

export function isCode(error: unknown, ...codes: string[]): boolean {
  return codes.includes((error as NodeJS.ErrnoException)?.code ?? '');
}

export function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
