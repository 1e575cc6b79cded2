/** What a data set is, and how one is found at a path, whatever its form. */
import { UserError } from '../../engine/errors.js';
import type { Platform } from '../platform.js';
import { DataFolder } from './dataFolder.js';
import { hasClassFolders, loadClassFolders, loadFlatFolder, loadPathList } from './folder.js';
import { findLayouts, isCalled, LAYOUTS } from './layouts.js';
import { loadSplitFile } from './split.js';

/** An image file; `label` is an index into the class names, or -1 when nobody said. */
export interface ImageItem {
  readonly path: string;
  readonly label: number;
}

export interface Dataset {
  readonly name: string;
  /** In label order, with spaces as in a prompt. Empty when the images have no labels. */
  readonly classNames: string[];
  readonly train: ImageItem[];
  readonly test: ImageItem[];
  readonly val?: ImageItem[];
  /** Images of a flat folder or a list: usable for distillation and prediction. Their label is -1. */
  readonly unlabelled?: ImageItem[];
  /** Peculiarities that a user should hear of but that stop nothing. */
  readonly notes?: string[];
}

export interface DatasetOptions {
  /** Which one, when a folder holds several of the known data sets: a name or folder of `LAYOUTS`. */
  readonly dataset?: string;
  /** For class folders without train/ and test/: the share of each class, last in name order, kept for testing. */
  readonly holdOut?: number;
  /** Links in the folder, and paths in lists and split files, may lead out of it. Default: that is an error. */
  readonly allowOutside?: boolean;
}

/**
 * Loads the list of images at `path`; opens no image. Known forms:
 *
 * - a folder in CoOp's layout of a known data set, or one that contains such folders (`layouts.ts`);
 * - `train/<class>/*` and `test/<class>/*`, or `<class>/*` alone; `classnames.txt` beside them fixes the order;
 * - a flat folder of images, or a text file with a path a line: unlabelled;
 * - a split file in CoOp's JSON form, with paths relative to its own folder.
 *
 * Other files in class folders are left out, with a note.
 *
 * @throws UserError naming what is missing, empty or ambiguous, or leads out of the folder
 */
export async function loadDataset(
  platform: Platform,
  path: string,
  options: DatasetOptions = {},
): Promise<Dataset> {
  const found = await platform.stat(path);
  if (!found) throw new UserError(`the data ${path} does not exist`, 'Check the path.');
  if (found.kind === 'other')
    throw new UserError(`the data ${path} is a pipe, a socket or a device`, 'Give a folder or a file.');
  if (found.kind === 'file') {
    if (/\.json$/i.test(path)) {
      const folder = platform.join(path, '..');
      return loadSplitFile(await DataFolder.open(platform, folder, options.allowOutside), path, folder);
    }
    if (isPathList(path)) return loadPathList(platform, path, options);
    throw new UserError(
      `${path} is no data set`,
      'Give a folder, a .txt file with one image path a line, or a split file in JSON.',
    );
  }
  const layouts = await findLayouts(platform, path, options.dataset);
  if (options.dataset !== undefined && layouts.length === 0) throw notThere(path, options.dataset);
  if (layouts.length === 1) {
    const [{ layout, folder }] = layouts;
    const data = await DataFolder.open(platform, folder, options.allowOutside);
    const loaded = await layout.load(data);
    return { ...loaded, notes: [...(loaded.notes ?? []), ...data.notes()] };
  }
  if (layouts.length > 1)
    throw new UserError(
      `${path} holds several data sets: ${layouts.map(({ layout }) => layout.name).join(', ')}`,
      'Name one of them with --dataset, or give its own folder.',
    );
  if (await hasClassFolders(platform, path)) return loadClassFolders(platform, path, options);
  return loadFlatFolder(platform, path, options);
}

/** A text file with the path of an image a line, by its name. */
export const isPathList = (path: string): boolean => /\.(txt|lst)$/i.test(path);

function notThere(path: string, name: string): UserError {
  const layout = LAYOUTS.find((known) => isCalled(known, name));
  if (layout)
    return new UserError(
      `${path} holds no ${layout.name}: neither ${layout.marker} nor ${layout.folder}/${layout.marker} is there`,
      'Unpack the data set in CoOp’s layout, with its split file.',
    );
  return new UserError(
    `there is no data set called "${name}"`,
    `Known ones: ${LAYOUTS.map((known) => known.name).join(', ')}.`,
  );
}

/** The reference's halves: base is the first ceil(n / 2) labels, novel the rest. Source: CoOp `oxford_pets.py`. */
export function baseNovelSplit(classCount: number): { base: number[]; novel: number[] } {
  const labels = Array.from({ length: classCount }, (_, label) => label);
  const half = Math.ceil(classCount / 2);
  return { base: labels.slice(0, half), novel: labels.slice(half) };
}

/** The part of a data set that has the given labels, renumbered from 0 in the order given. */
export function selectClasses(dataset: Dataset, labels: readonly number[]): Dataset {
  const renumbered = new Map(labels.map((label, index) => [label, index]));
  const select = (items: ImageItem[]) =>
    items.flatMap(({ path, label }) => {
      const index = renumbered.get(label);
      return index === undefined ? [] : [{ path, label: index }];
    });
  return {
    ...dataset,
    classNames: labels.map((label) => dataset.classNames[label]),
    train: select(dataset.train),
    test: select(dataset.test),
    val: dataset.val && select(dataset.val),
  };
}
