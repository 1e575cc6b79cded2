/** Finds the data set at a path, whatever its form. */
import { UserError } from '../../engine/index.js';
import type { Platform } from '../platform.js';
import { tieNotes } from './classNames.js';
import { DataFolder } from './dataFolder.js';
import type { Dataset, DatasetOptions, LoadedDataset } from './dataset.js';
import { isPathList, loadFolder, loadPathList } from './folder.js';
import { findLayouts, isCalled, LAYOUTS } from './layouts.js';
import { loadSplitFile } from './split.js';

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
): Promise<LoadedDataset> {
  const { folder, load } = await formOf(platform, path, options);
  const data = await DataFolder.open(platform, folder, options.allowOutside);
  const dataset = await load(data);
  return { ...dataset, notes: [...tieNotes(dataset.classNames), ...data.notes()] };
}

/** The folder that the data at `path` lies in, and what loads it. */
interface Form {
  readonly folder: string;
  load(data: DataFolder): Promise<Dataset>;
}

async function formOf(platform: Platform, path: string, { dataset, holdOut }: DatasetOptions): Promise<Form> {
  const found = await platform.stat(path);
  if (!found) throw new UserError(`the data ${path} does not exist`, 'check the path');
  if (found.kind === 'other')
    throw new UserError(`the data ${path} is a pipe, a socket or a device`, 'give a folder or a file');
  if (found.kind === 'file') {
    const folder = platform.join(path, '..');
    if (/\.json$/i.test(path)) return { folder, load: (data) => loadSplitFile(data, path) };
    if (isPathList(path)) return { folder, load: (data) => loadPathList(data, path) };
    throw new UserError(
      `${path} is not a data set`,
      'give a folder, a .txt file with one image path a line, or a split file in JSON',
    );
  }
  const [known, ...others] = await findLayouts(platform, path, dataset);
  if (known && others.length > 0)
    throw new UserError(
      `${path} holds several data sets: ${[known, ...others].map(({ name }) => name).join(', ')}`,
      'name one of them with --dataset, or give its own folder',
    );
  if (known) return known;
  if (dataset !== undefined) throw notThere(path, dataset);
  return { folder: path, load: (data) => loadFolder(data, holdOut) };
}

function notThere(path: string, name: string): UserError {
  const layout = LAYOUTS.find((known) => isCalled(known, name));
  if (layout)
    return new UserError(
      `${path} holds no ${layout.name}: neither ${layout.marker} nor ${layout.folder}/${layout.marker} is there`,
      'unpack the data set in CoOp’s layout, with its split file',
    );
  return new UserError(
    `there is no data set called "${name}"`,
    `known ones: ${LAYOUTS.map((known) => known.name).join(', ')}`,
  );
}
