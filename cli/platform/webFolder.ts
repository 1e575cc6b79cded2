/** A finished student as a folder of static files: one page that classifies images in the visitor's browser. */
import { randomUUID } from 'node:crypto';
import { copyFile, mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { OutputError, UserError } from '../../engine/errors.js';
import { exportRun } from '../../models/promptkd/use/exportRun.js';
import { nodePlatform } from './node.js';
import { packageFolder } from './packageFolder.js';

/** What the page loads (web/worker.ts). */
const STUDENT = 'student.safetensors';
/** The page itself, which is moved last: whoever opens it finds everything else in place. */
const PAGE = 'index.html';

/** How a student's page is written. */
export interface WebExportOptions {
  /** Write into a folder that has something in it: files of the same names are replaced, others stay. */
  readonly force?: boolean;
  /** Frozen matrices as float16. */
  readonly half?: boolean;
  readonly onProgress?: (doneBytes: number, totalBytes: number) => void;
}

/**
 * Writes the student of `run` with its page into the folder `out`. Everything is written beside it and moved there at the end.
 *
 * @returns how many bytes all files have
 * @throws UserError when the run is no finished student, or `out` is a file or has something in it; OutputError when it cannot be
 *   written
 */
export async function exportWebFolder(
  run: string,
  out: string,
  { force, half, onProgress }: WebExportOptions,
): Promise<number> {
  const folder = resolve(out);
  const present = await contentOf(folder);
  if (present === 'file')
    throw new UserError(`the output ${out} is a file`, 'give the name of a folder that the page goes to');
  if (present && present.length > 0 && !force)
    throw new UserError(
      `the folder ${out} is not empty`,
      'give another folder, or add --force to replace the files of an earlier export in it',
    );
  const bundled = packageFolder('dist/web', PAGE);
  const draft = join(dirname(folder), `.${basename(folder)}.${randomUUID()}`);
  try {
    await written(out, mkdir(draft, { recursive: true }));
    const parts = await readdir(bundled);
    await written(out, Promise.all(parts.map((name) => copyFile(join(bundled, name), join(draft, name)))));
    await exportRun(nodePlatform, run, join(draft, STUDENT), {
      ...{ format: 'safetensors', merged: true, half, onProgress },
    });
    const names = [...parts.filter((name) => name !== PAGE), STUDENT, PAGE];
    const sizes = await Promise.all(names.map(async (name) => (await stat(join(draft, name))).size));
    if (present) for (const name of names) await written(out, rename(join(draft, name), join(folder, name)));
    else await written(out, rename(draft, folder));
    return sizes.reduce((sum, size) => sum + size, 0);
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

/** The names in a folder, hidden ones too; undefined where there is nothing. */
async function contentOf(folder: string): Promise<string[] | 'file' | undefined> {
  const found = await nodePlatform.stat(folder);
  if (!found) return undefined;
  return found.kind === 'folder' ? readdir(folder) : 'file';
}

/** @throws OutputError where the file system refuses */
async function written<T>(out: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw new OutputError(
      `${out} cannot be written: ${(error as Error).message}`,
      'give a folder that you may write to, on a disk with room',
      { cause: error },
    );
  }
}
