/** Data sets without a fixed layout: class folders, flat folders, lists of paths. */
import { UserError } from '../../engine/index.js';
import type { Platform } from '../platform.js';
import { type NamedFolder, parseClassNames, promptName, requireDistinct } from './classNames.js';
import { DataFolder, inParts, isImageName } from './dataFolder.js';
import type { Dataset, DatasetOptions, ImageItem } from './dataset.js';
import { resolveListed } from './listedPaths.js';

/** Whether a folder is at `path`, links followed. */
export async function isFolder(platform: Platform, path: string): Promise<boolean> {
  return (await platform.stat(path))?.kind === 'folder';
}

/** A folder with an image's name is no class: who lists the images names it. */
export async function hasClassFolders(platform: Platform, path: string): Promise<boolean> {
  return (await platform.list(path)).some(({ name, kind }) => kind === 'folder' && !isImageName(name));
}

/** `train/<class>/*` with or without `test/<class>/*`, or `<class>/*` with a share held out for testing. */
export async function loadClassFolders(
  platform: Platform,
  path: string,
  { holdOut = 0, allowOutside }: DatasetOptions,
): Promise<Dataset> {
  if (!(holdOut >= 0 && holdOut < 1))
    throw new UserError(`the share held out for testing is ${holdOut}`, 'give a number from 0 to below 1');
  const data = await DataFolder.open(platform, path, allowOutside);
  const split = (await isFolder(platform, platform.join(path, 'train'))) ? 'train' : undefined;
  if (!split && (await isFolder(platform, platform.join(path, 'test'))))
    throw new UserError(`${path} has a test folder but no train folder`, 'add train/<class>/ with images');
  const trainFolder = split ? platform.join(path, split) : path;
  const testFolder = platform.join(path, 'test');
  const hasTest = split !== undefined && (await isFolder(platform, testFolder));

  for (const folder of [trainFolder, ...(hasTest ? [testFolder] : [])]) await data.requireInside(folder);
  const folders = await data.folders(trainFolder);
  if (!split && (await platform.list(path)).some(({ name, kind }) => kind !== 'folder' && isImageName(name)))
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
    const kept = holdOut === 0 ? images.length : Math.max(1, Math.floor(images.length * (1 - holdOut)));
    train.push(...images.slice(0, kept).map((image) => ({ path: image, label })));
    test.push(...images.slice(kept).map((image) => ({ path: image, label })));
    if (!testFolders.includes(folder)) continue;
    const tests = await requireImages(data, platform.join(testFolder, folder), 1);
    test.push(...tests.map((image) => ({ path: image, label })));
  }
  return {
    name: platform.baseName(path),
    classNames: classes.map(({ name }) => name),
    train,
    test,
    notes: data.notes(),
  };
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

/** A folder of images without labels. */
export async function loadFlatFolder(
  platform: Platform,
  path: string,
  { allowOutside }: DatasetOptions,
): Promise<Dataset> {
  const data = await DataFolder.open(platform, path, allowOutside);
  const images = await data.images(path);
  if (images.length === 0)
    throw new UserError(
      `${path} holds no images`,
      'give a folder of images (PNG, JPEG, WebP, GIF, BMP, TIFF or AVIF) or of class folders',
    );
  return { ...unlabelled(platform, path, images), notes: data.notes() };
}

/** A text file with the path of an image a line, by its name. */
export const isPathList = (path: string): boolean => /\.(txt|lst)$/i.test(path);

/** A text file with the path of an image a line, absolute or relative to the file; `#` starts a comment line. */
export async function loadPathList(
  platform: Platform,
  path: string,
  options: DatasetOptions,
): Promise<Dataset> {
  return unlabelled(platform, path, await readPathList(platform, path, options));
}

/** The paths of a list. @throws UserError naming a line whose file is not there, is no image or lies outside */
export async function readPathList(
  platform: Platform,
  path: string,
  { allowOutside }: Pick<DatasetOptions, 'allowOutside'>,
): Promise<string[]> {
  const folder = platform.join(path, '..');
  const lines = (await platform.readText(path))
    .split('\n')
    .map((line, index) => ({ text: line.trim(), number: index + 1 }))
    .filter(({ text }) => text !== '' && !text.startsWith('#'));
  if (lines.length === 0) throw new UserError(`${path} lists no images`, 'write one image path a line');
  const data = await DataFolder.open(platform, folder, allowOutside);
  const images = await resolveListed(
    data,
    lines.map(({ text }) => text),
    { start: folder, absolute: true, where: (index) => `${path} line ${lines[index]!.number}` },
  );
  await inParts(images, async (image, index) => {
    const where = `${image}, listed in ${path} line ${lines[index]!.number},`;
    if (!isImageName(image))
      throw new UserError(
        `${where} is no image`,
        'remove the line, or convert the file to PNG, JPEG or WebP (GIF, BMP, TIFF and AVIF are read too)',
      );
    const kind = (await platform.stat(image))?.kind;
    if (kind === undefined)
      throw new UserError(`${where} does not exist`, 'correct the line; paths start at the list');
    if (kind !== 'file')
      throw new UserError(
        `${where} is ${kind === 'folder' ? 'a folder' : 'a pipe, a socket or a device'}`,
        'correct the line: it must be an image file',
      );
  });
  return images;
}

function unlabelled(platform: Platform, path: string, images: string[]): Dataset {
  const items = images.map((image) => ({ path: image, label: -1 }));
  return { name: platform.baseName(path), classNames: [], train: [], test: [], unlabelled: items };
}
