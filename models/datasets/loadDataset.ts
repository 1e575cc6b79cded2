/** Finds the data set at a path, whatever its form. */
import { UserError } from '../../engine/index.js';
import type { Platform } from '../platform.js';
import { DataFolder } from './dataFolder.js';
import type { Dataset, DatasetOptions } from './dataset.js';
import { hasClassFolders, isPathList, loadClassFolders, loadFlatFolder, loadPathList } from './folder.js';
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
): Promise<Dataset> {
  const found = await platform.stat(path);
  if (!found) throw new UserError(`the data ${path} does not exist`, 'check the path');
  if (found.kind === 'other')
    throw new UserError(`the data ${path} is a pipe, a socket or a device`, 'give a folder or a file');
  if (found.kind === 'file') {
    if (/\.json$/i.test(path)) {
      const folder = platform.join(path, '..');
      return loadSplitFile(await DataFolder.open(platform, folder, options.allowOutside), path, folder);
    }
    if (isPathList(path)) return loadPathList(platform, path, options);
    throw new UserError(
      `${path} is no data set`,
      'give a folder, a .txt file with one image path a line, or a split file in JSON',
    );
  }
  const layouts = await findLayouts(platform, path, options.dataset);
  if (options.dataset !== undefined && layouts.length === 0) throw notThere(path, options.dataset);
  const [known] = layouts;
  if (known && layouts.length === 1) {
    const { layout, folder } = known;
    const data = await DataFolder.open(platform, folder, options.allowOutside);
    const loaded = await layout.load(data);
    return { ...loaded, notes: [...(loaded.notes ?? []), ...data.notes()] };
  }
  if (layouts.length > 1)
    throw new UserError(
      `${path} holds several data sets: ${layouts.map(({ layout }) => layout.name).join(', ')}`,
      'name one of them with --dataset, or give its own folder',
    );
  if (await hasClassFolders(platform, path)) return loadClassFolders(platform, path, options);
  return loadFlatFolder(platform, path, options);
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
