/** Data sets without a fixed layout: class folders, flat folders, lists of paths. */
import { UserError } from '../../engine/index.js';
import type { Platform } from '../platform.js';
import { type NamedFolder, parseClassNames, promptName, requireDistinct } from './classNames.js';
import { type DataFolder, inParts, isFolder, isImageName } from './dataFolder.js';
import { type Dataset, type ImageItem, itemsOf } from './dataset.js';
import { resolveListed } from './listedPaths.js';

/** A folder of class folders, or of images without labels. `holdOut` as in `DatasetOptions`. */
export async function loadFolder(data: DataFolder, holdOut = 0): Promise<Dataset> {
  const entries = await data.platform.list(data.path);
  // A folder with an image's name is no class: who lists the images names it.
  const hasClasses = entries.some(({ name, kind }) => kind === 'folder' && !isImageName(name));
  return hasClasses ? loadClassFolders(data, holdOut) : loadFlatFolder(data);
}

/** `train/<class>/*` with or without `test/<class>/*`, or `<class>/*` with a share held out for testing. */
async function loadClassFolders(data: DataFolder, holdOut: number): Promise<Dataset> {
  if (!(holdOut >= 0 && holdOut < 1))
    throw new UserError(`the share held out for testing is ${holdOut}`, 'give a number from 0 to below 1');
  const { platform, path } = data;
  const testFolder = platform.join(path, 'test');
  const hasTest = await isFolder(platform, testFolder);
  const hasTrain = await isFolder(platform, platform.join(path, 'train'));
  if (hasTest && !hasTrain)
    throw new UserError(`${path} has a test folder but no train folder`, 'add train/<class>/ with images');
  const trainFolder = hasTrain ? platform.join(path, 'train') : path;

  await data.requireInside(trainFolder);
  if (hasTest) await data.requireInside(testFolder);
  const folders = await data.folders(trainFolder);
  const beside = hasTrain ? [] : await platform.list(path);
  if (beside.some(({ name, kind }) => kind !== 'folder' && isImageName(name)))
    throw new UserError(
      `${path} holds images beside class folders`,
      'put every image in the folder of its class',
    );
  if (folders.length === 0)
    throw new UserError(
      `${trainFolder} has no class folders`,
      'put the images of each class in a folder of its name',
    );
  const testFolders = hasTest ? await data.folders(testFolder) : [];
  const stray = testFolders.find((name) => !folders.includes(name));
  if (stray !== undefined)
    throw new UserError(
      `${platform.join(testFolder, stray)} has no counterpart in ${trainFolder}`,
      'rename one of them, or add training images of that class',
    );
  const classes = await orderClasses(platform, path, folders);

  const [train, test]: [ImageItem[], ImageItem[]] = [[], []];
  for (const [label, { folder }] of classes.entries()) {
    const images = await requireImages(data, platform.join(trainFolder, folder), 2);
    const kept = Math.max(1, Math.floor(images.length * (1 - holdOut)));
    train.push(...itemsOf(images.slice(0, kept), label));
    test.push(...itemsOf(images.slice(kept), label));
    if (testFolders.includes(folder))
      test.push(...itemsOf(await requireImages(data, platform.join(testFolder, folder), 1), label));
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
        `${list} names "${missing.folder}", which is not a folder`,
        'correct the line or add the folder',
      );
    const unnamed = folders.find((folder) => !classes.some((named) => named.folder === folder));
    if (unnamed !== undefined)
      throw new UserError(`the class folder "${unnamed}" is not in ${list}`, 'add a line for it');
  }
  requireDistinct(
    classes.map(({ name }) => name),
    path,
  );
  return classes;
}

async function requireImages(data: DataFolder, folder: string, least: number): Promise<string[]> {
  const images = await data.images(folder);
  if (images.length === 0)
    throw new UserError(
      (await data.platform.list(folder)).length === 0
        ? `the class folder ${folder} is empty`
        : `the class folder ${folder} holds no images`,
      'add images (PNG, JPEG, WebP, GIF, BMP, TIFF or AVIF) or remove it',
    );
  if (images.length < least)
    throw new UserError(
      `the class folder ${folder} has only one image`,
      `add images (at least ${least}) or remove the class`,
    );
  return images;
}

async function loadFlatFolder(data: DataFolder): Promise<Dataset> {
  const images = await data.images(data.path);
  if (images.length === 0)
    throw new UserError(
      `${data.path} holds no images`,
      'give a folder of images (PNG, JPEG, WebP, GIF, BMP, TIFF or AVIF) or of class folders',
    );
  return unlabelled(data.platform.baseName(data.path), itemsOf(images));
}

const unlabelled = (name: string, items: ImageItem[]): Dataset => ({
  name,
  classNames: [],
  train: [],
  test: [],
  unlabelled: items,
});

/** A text file with the path of an image a line, by its name. */
export const isPathList = (path: string): boolean => /\.(txt|lst)$/i.test(path);

/** Images without labels, from a list in `data`. */
export async function loadPathList(data: DataFolder, list: string): Promise<Dataset> {
  return unlabelled(data.platform.baseName(list), await readPathList(data, list));
}

/**
 * The images of a text file: a path a line, absolute or relative to the file; `#` starts a comment line.
 *
 * @param data the folder that the list is in
 * @throws UserError naming a line whose file is not there, is no image or lies outside
 */
export async function readPathList(data: DataFolder, list: string): Promise<ImageItem[]> {
  const { platform } = data;
  const lines = (await platform.readText(list))
    .split('\n')
    .map((line, index) => ({ path: line.trim(), label: -1, number: index + 1 }))
    .filter(({ path }) => path !== '' && !path.startsWith('#'));
  if (lines.length === 0) throw new UserError(`${list} lists no images`, 'write one image path a line');
  const place = (index: number) => `${list} line ${lines[index]!.number}`;
  const items = await resolveListed(data, lines, { absolute: true, where: place });
  await inParts(items, async ({ path }, index) => {
    const where = `${path}, listed in ${place(index)},`;
    if (!isImageName(path))
      throw new UserError(
        `${where} is not an image`,
        'remove the line, or convert the file to PNG, JPEG or WebP (GIF, BMP, TIFF and AVIF are read too)',
      );
    const kind = (await platform.stat(path))?.kind;
    if (kind === undefined)
      throw new UserError(`${where} does not exist`, 'correct the line; paths start at the list');
    if (kind !== 'file')
      throw new UserError(
        `${where} is ${kind === 'folder' ? 'a folder' : 'a pipe, a socket or a device'}`,
        'correct the line: it must be an image file',
      );
  });
  return items;
}
