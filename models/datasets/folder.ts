/** Data sets without a fixed layout: class folders, flat folders, lists of paths. */
import { UserError } from '../../engine/errors.js';
import type { Platform } from '../platform.js';
import { type NamedFolder, parseClassNames, promptName, requireDistinct } from './classNames.js';
import type { Dataset, ImageItem } from './dataset.js';

const IMAGE = /\.(jpe?g|png|webp|gif|bmp|tiff?|avif)$/i;
/** Files that operating systems leave behind, and our own list of names. */
const IGNORED = /^(thumbs\.db|desktop\.ini|classnames\.txt|readme(\.\w+)?)$/i;

/** Image files of a folder in ASCII order. @throws UserError naming a file that is no image */
export async function listImages(platform: Platform, folder: string): Promise<string[]> {
  const files = (await platform.list(folder)).filter(
    ({ kind, name }) => kind === 'file' && !IGNORED.test(name),
  );
  return files.map(({ name }) => {
    const path = platform.join(folder, name);
    requireImageName(path);
    return path;
  });
}

function requireImageName(path: string): void {
  if (!IMAGE.test(path))
    throw new UserError(
      `${path} is no image`,
      'Remove it, or convert it to PNG, JPEG or WebP (GIF, BMP, TIFF and AVIF are read too).',
    );
}

export async function listFolders(platform: Platform, folder: string): Promise<string[]> {
  return (await platform.list(folder)).filter(({ kind }) => kind === 'folder').map(({ name }) => name);
}

export async function isFolder(platform: Platform, path: string): Promise<boolean> {
  return (await platform.stat(path))?.kind === 'folder';
}

export async function hasClassFolders(platform: Platform, path: string): Promise<boolean> {
  return (await listFolders(platform, path)).length > 0;
}

/** `train/<class>/*` with or without `test/<class>/*`, or `<class>/*` with a share held out for testing. */
export async function loadClassFolders(platform: Platform, path: string, holdOut: number): Promise<Dataset> {
  if (!(holdOut >= 0 && holdOut < 1))
    throw new UserError(`the share held out for testing is ${holdOut}`, 'Give a number from 0 to below 1.');
  const split = (await isFolder(platform, platform.join(path, 'train'))) ? 'train' : undefined;
  if (!split && (await isFolder(platform, platform.join(path, 'test'))))
    throw new UserError(`${path} has a test folder but no train folder`, 'Add train/<class>/ with images.');
  const trainFolder = split ? platform.join(path, split) : path;
  const testFolder = platform.join(path, 'test');
  const hasTest = split !== undefined && (await isFolder(platform, testFolder));

  const folders = await listFolders(platform, trainFolder);
  if (!split && (await platform.list(path)).some(({ name, kind }) => kind === 'file' && IMAGE.test(name)))
    throw new UserError(
      `${path} holds images beside class folders`,
      'Put every image in the folder of its class.',
    );
  if (folders.length === 0)
    throw new UserError(
      `${trainFolder} has no class folders`,
      'Put the images of each class in a folder of its name.',
    );
  const testFolders = hasTest ? await listFolders(platform, testFolder) : [];
  const stray = testFolders.find((name) => !folders.includes(name));
  if (stray !== undefined)
    throw new UserError(
      `${platform.join(testFolder, stray)} has no counterpart in ${trainFolder}`,
      'Rename one of them, or add training images of that class.',
    );
  const classes = await orderClasses(platform, path, folders);

  const [train, test]: [ImageItem[], ImageItem[]] = [[], []];
  for (const [label, { folder }] of classes.entries()) {
    const images = await requireImages(platform, platform.join(trainFolder, folder), 2);
    const kept = holdOut === 0 ? images.length : Math.max(1, Math.floor(images.length * (1 - holdOut)));
    train.push(...images.slice(0, kept).map((image) => ({ path: image, label })));
    test.push(...images.slice(kept).map((image) => ({ path: image, label })));
    if (!testFolders.includes(folder)) continue;
    const tests = await requireImages(platform, platform.join(testFolder, folder), 1);
    test.push(...tests.map((image) => ({ path: image, label })));
  }
  return { name: platform.baseName(path), classNames: classes.map(({ name }) => name), train, test };
}

/** Folder names in ASCII order, or as `classnames.txt` says. */
async function orderClasses(platform: Platform, path: string, folders: string[]): Promise<NamedFolder[]> {
  const list = platform.join(path, 'classnames.txt');
  let classes = folders.map((folder) => ({ folder, name: promptName(folder) }));
  if (await platform.stat(list)) {
    classes = parseClassNames(await platform.readText(list), new Set(folders));
    const missing = classes.find(({ folder }) => !folders.includes(folder));
    if (missing)
      throw new UserError(
        `${list} names "${missing.folder}", which is no folder`,
        'Correct the line or add the folder.',
      );
    const unnamed = folders.find((folder) => !classes.some((named) => named.folder === folder));
    if (unnamed !== undefined)
      throw new UserError(`the class folder "${unnamed}" is not in ${list}`, 'Add a line for it.');
  }
  requireDistinct(
    classes.map(({ name }) => name),
    path,
  );
  return classes;
}

async function requireImages(platform: Platform, folder: string, least: number): Promise<string[]> {
  const images = await listImages(platform, folder);
  if (images.length === 0)
    throw new UserError(`the class folder ${folder} is empty`, 'Add images or remove it.');
  if (images.length < least)
    throw new UserError(
      `the class folder ${folder} has only one image`,
      `Add images (at least ${least}) or remove the class.`,
    );
  return images;
}

/** A folder of images without labels. */
export async function loadFlatFolder(platform: Platform, path: string): Promise<Dataset> {
  const images = await listImages(platform, path);
  if (images.length === 0)
    throw new UserError(`${path} holds no images`, 'Give a folder of images or of class folders.');
  return unlabelled(platform, path, images);
}

/** A text file with the path of an image a line, absolute or relative to the file; `#` starts a comment line. */
export async function loadPathList(platform: Platform, path: string): Promise<Dataset> {
  const lines = (await platform.readText(path)).split('\n').map((line) => line.trim());
  const images = lines
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => (/^([/\\]|[A-Za-z]:)/.test(line) ? line : platform.join(path, '..', line)));
  if (images.length === 0) throw new UserError(`${path} lists no images`, 'Write one image path a line.');
  for (let start = 0; start < images.length; start += 64)
    await Promise.all(
      images.slice(start, start + 64).map(async (image) => {
        requireImageName(image);
        if ((await platform.stat(image))?.kind !== 'file')
          throw new UserError(
            `${image}, listed in ${path}, does not exist`,
            'Correct the line; paths start at the list.',
          );
      }),
    );
  return unlabelled(platform, path, images);
}

function unlabelled(platform: Platform, path: string, images: string[]): Dataset {
  const items = images.map((image) => ({ path: image, label: -1 }));
  return { name: platform.baseName(path), classNames: [], train: [], test: [], unlabelled: items };
}
