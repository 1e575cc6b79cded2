/** A data set's own folder: what images it holds, and that nothing in it leads anywhere else. */
import { UserError } from '../../engine/index.js';
import type { FileEntry } from '../../formats/files.js';
import type { Platform } from '../platform.js';

const IMAGE = /\.(jpe?g|png|webp|gif|bmp|tiff?|avif)$/i;
/** Files that operating systems create, and the list of class names. */
const USUAL = /^(thumbs\.db|desktop\.ini|classnames\.txt|readme(\.\w+)?)$/i;
/** Names that a note gives. */
const NAMED = 3;
/** File-system calls at a time: one by one is slow on network drives, and all at once exhausts file handles. */
const AT_ONCE = 64;

/** Whether a file has the name of an image in a format that is read. */
export const isImageName = (path: string): boolean => IMAGE.test(path);

/** Whether a folder is at `path`, links followed. */
export async function isFolder(platform: Platform, path: string): Promise<boolean> {
  return (await platform.stat(path))?.kind === 'folder';
}

/** A folder with images; collects what in it was left out. */
export class DataFolder {
  private readonly noImages: string[] = [];
  private readonly unread: string[] = [];
  /** Names of the links in the folders of listed files. */
  private readonly links = new Map<string, ReadonlySet<string>>();

  private constructor(
    readonly platform: Platform,
    readonly path: string,
    /** The folder's path without links; undefined where anything is allowed. */
    private readonly root: string | undefined,
  ) {}

  /**
   * @param path may itself be a link
   * @param allowOutside links and paths in files may lead out of it
   */
  static async open(platform: Platform, path: string, allowOutside = false): Promise<DataFolder> {
    return new DataFolder(platform, path, allowOutside ? undefined : await platform.realPath(path));
  }

  /** Whether links and paths in files may lead out of the folder. */
  get allowOutside(): boolean {
    return this.root === undefined;
  }

  /**
   * Image files of a folder in ASCII order. Other files are left out, and noted.
   *
   * @param nested whether its sub-folders are looked into as well; otherwise they are noted too
   * @throws UserError naming what has an image's name and is none: a folder, a pipe, a link that leads nowhere, or out of here
   */
  async images(folder: string, nested = false): Promise<string[]> {
    const found: string[] = [];
    const links: string[] = [];
    for (const { name, kind, link } of await this.platform.list(folder)) {
      const path = this.platform.join(folder, name);
      if (isImageName(name)) {
        if (kind !== 'file') throw this.noFile(path, kind, link);
        if (link) links.push(path);
        found.push(path);
      } else if (kind !== 'folder') {
        if (!USUAL.test(name)) this.noImages.push(path);
      } else if (!nested) this.unread.push(path);
    }
    await inParts(links, (link) => this.requireInside(link));
    return found;
  }

  /** Names of the folders in a folder, in ASCII order. @throws UserError for a link that leads nowhere, or out of here */
  async folders(folder: string): Promise<string[]> {
    const names: string[] = [];
    for (const { name, kind, link } of await this.platform.list(folder)) {
      const path = this.platform.join(folder, name);
      if (link && kind === 'other' && !(await this.platform.stat(path))) throw this.noFile(path, kind, link);
      if (kind !== 'folder') continue;
      if (link) await this.requireInside(path);
      names.push(name);
    }
    return names;
  }

  /** @throws UserError when what `path` leads to lies outside; nothing for a path where nothing is */
  async requireInside(path: string, where = ''): Promise<void> {
    if (this.root === undefined || !(await this.platform.stat(path))) return;
    if (!isWithin(await this.platform.realPath(path), this.root))
      throw new UserError(
        `${where}${path} is a link that leads out of ${this.path}`,
        'copy what it leads to into the data folder, or allow it with --allow-outside',
      );
  }

  /** As `requireInside`, for a file of a list, which may have thousands in a folder: lists each folder once. */
  async requireListedInside(path: string, where: string): Promise<void> {
    const name = this.platform.baseName(path);
    const folder = this.platform.join(path, '..');
    let links = this.links.get(folder);
    if (!links) {
      await this.requireInside(folder, where);
      links = await this.linksIn(folder);
      this.links.set(folder, links);
    }
    // Hidden files are not listed.
    if (links.has(name) || name.startsWith('.')) await this.requireInside(path, where);
  }

  private async linksIn(folder: string): Promise<ReadonlySet<string>> {
    if (!(await isFolder(this.platform, folder))) return new Set();
    return new Set((await this.platform.list(folder)).filter(({ link }) => link).map(({ name }) => name));
  }

  /** What was left out so far. */
  notes(): string[] {
    return [
      ...named(
        this.noImages,
        'file is not an image and is left out',
        'files are not images and are left out',
      ),
      ...named(
        this.unread,
        'folder in a class folder is left out, with what is in it',
        'folders in class folders are left out, with what is in them',
      ),
    ];
  }

  private noFile(path: string, kind: FileEntry['kind'], link = false): UserError {
    if (kind === 'folder')
      return new UserError(
        `${path} is a folder with the name of an image`,
        'rename it, or move it out of the data set',
      );
    const what = link ? 'a link that leads to no file' : 'a pipe, a socket or a device';
    return new UserError(`${path} is ${what}`, 'remove it from the data set');
  }
}

function* named(paths: readonly string[], one: string, more: string): Generator<string> {
  if (paths.length === 0) return;
  const some = paths.slice(0, NAMED).join(', ');
  yield `${paths.length} ${paths.length === 1 ? one : more}: ${some}${paths.length > NAMED ? ', ...' : ''}`;
}

/** Both without links. */
function isWithin(path: string, root: string): boolean {
  if (path === root) return true;
  const separator = root.includes('\\') && !root.includes('/') ? '\\' : '/';
  return path.startsWith(root.endsWith(separator) ? root : `${root}${separator}`);
}

/** Runs `work` on all items, a limited number at a time; the results are in the order of the items. */
export async function inParts<T, R>(
  all: readonly T[],
  work: (one: T, index: number) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  for (let start = 0; start < all.length; start += AT_ONCE)
    results.push(
      ...(await Promise.all(all.slice(start, start + AT_ONCE).map((one, i) => work(one, start + i)))),
    );
  return results;
}
