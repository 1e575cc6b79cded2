/** Paths of images as they stand in lists and split files. */
import { UserError } from '../../engine/index.js';
import { type DataFolder, inParts } from './dataFolder.js';
import type { ImageItem } from './dataset.js';

/** From the root of a disk on, as any system writes it. */
const isAbsolute = (path: string): boolean => /^([/\\]|[A-Za-z]:)/.test(path);

/** How the paths of a list are resolved. */
export interface ListedPaths {
  /** What relative paths start at: a folder in the data folder, by default that one. */
  readonly start?: string;
  /** Absolute paths are a person's own choice in a list; a split file that came from elsewhere has no business with them. */
  readonly absolute?: boolean;
  /** Where the path of an index stands, for messages: "list.txt line 3". */
  where(index: number): string;
}

/**
 * The images with paths that can be opened. A back-slash separates folders, unless a file has one in its name.
 *
 * @throws UserError with the path and its place when it leads out of the data folder
 */
export async function resolveListed(
  data: DataFolder,
  listed: readonly ImageItem[],
  { start = '.', absolute = false, where }: ListedPaths,
): Promise<ImageItem[]> {
  const { platform } = data;
  const join = (path: string) =>
    isAbsolute(path) && (absolute || data.allowOutside) ? path : platform.join(data.path, start, path);
  const plain = await inParts(listed, async ({ path }) =>
    path.includes('\\') && !(await platform.stat(join(path))) ? path.replaceAll('\\', '/') : path,
  );
  if (!data.allowOutside)
    for (const [index, path] of plain.entries()) {
      if (isAbsolute(path) ? !absolute : leadsOut(`${start}/${path}`))
        throw new UserError(
          `${where(index)}: "${listed[index]!.path}" leads out of ${data.path}`,
          'correct the path, or allow it with --allow-outside',
        );
      if (!isAbsolute(path)) await data.requireListedInside(join(path), `${where(index)}: `);
    }
  return listed.map(({ label }, index) => ({ path: join(plain[index]!), label }));
}

/** Whether a path climbs out of the folder that it starts at. */
function leadsOut(path: string): boolean {
  let depth = 0;
  for (const part of path.split(/[/\\]/)) {
    if (part === '..') depth--;
    else if (part !== '' && part !== '.') depth++;
    if (depth < 0) return true;
  }
  return false;
}
