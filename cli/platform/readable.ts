/** Opens files, and explains why others cannot be read. */
import { constants, type Dirent, type Stats } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { UserError } from '../../engine/errors.js';
import { type FileKind, UnreadableFile } from '../../formats/files.js';

/** File, folder or other, following what `stat` or a folder entry says. */
export const kindOf = (found: Stats | Dirent): FileKind =>
  found.isFile() ? 'file' : found.isDirectory() ? 'folder' : 'other';

/**
 * Checks that a path is a regular file before it is opened: opening a pipe may wait forever, and opening a device may change it.
 *
 * @throws UnreadableFile, or an error of `stat`
 */
export async function requireFile(path: string): Promise<Stats> {
  return checked(path, await stat(path));
}

/**
 * Opens a file and checks it afterwards, which takes one call less: for parts of files that were checked before. Does not wait
 * if a pipe has taken its place.
 *
 * @throws UnreadableFile, or an error of `open`
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
    throw new UnreadableFile(path, 'is a folder, not a file', 'give the path of a file');
  const what = found.isFIFO() ? 'a pipe' : found.isSocket() ? 'a socket' : 'a device';
  throw new UnreadableFile(
    path,
    `is ${what}, not a file`,
    'give the path of a file, or remove it from the data',
  );
}

/** Codes of errors that belong to the file. Others, such as too many open files, may be temporary. */
const OF_THE_FILE = [
  'EIO',
  'EINVAL',
  'ELOOP',
  'ENAMETOOLONG',
  'ERR_FS_FILE_TOO_LARGE',
  'ERR_INVALID_ARG_VALUE',
];

/** The UserError for a file that cannot be read. */
export function unreadable(path: string, error: unknown): UserError {
  if (error instanceof UserError) return error;
  if (isCode(error, 'ENOENT')) return new UnreadableFile(path, 'does not exist', 'check the path');
  if (isCode(error, 'EISDIR'))
    return new UnreadableFile(path, 'is a folder, not a file', 'give the path of a file');
  if (isCode(error, 'ENOTDIR'))
    return new UnreadableFile(path, 'is not a folder', 'give the path of a folder');
  if (isCode(error, 'EACCES', 'EPERM'))
    return new UnreadableFile(path, 'may not be read', 'check its permissions');
  const [said, hint] = [`cannot be read: ${reason(error)}`, 'check that the file is complete'];
  return isCode(error, ...OF_THE_FILE)
    ? new UnreadableFile(path, said, hint)
    : new UserError(`${path} ${said}`, hint);
}

/** Whether an error has one of these system codes. */
export function isCode(error: unknown, ...codes: string[]): boolean {
  return codes.includes((error as NodeJS.ErrnoException)?.code ?? '');
}

/** The message of anything that was thrown. */
export function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
