/** Image files that a user names one by one or by their folders. */
import { UserError } from '../../engine/index.js';
import type { Platform } from '../platform.js';
import { DataFolder } from './dataFolder.js';
import type { DatasetOptions, ImageItem } from './dataset.js';
import { isPathList, readPathList } from './folder.js';

/**
 * The images at `paths` in the order given; folders stand for the images in them and in their sub-folders, text files for those
 * that they list. Other files in the folders are left out, with a note.
 *
 * @throws UserError naming a path that does not exist, is no image, is a folder without images, or leads out of its folder
 */
export async function findImages(
  platform: Platform,
  paths: readonly string[],
  options: Pick<DatasetOptions, 'allowOutside'> = {},
): Promise<{ items: ImageItem[]; notes: string[] }> {
  const items: ImageItem[] = [];
  const notes: string[] = [];
  const add = (path: string) => items.push({ path, label: -1 });
  for (const path of paths) {
    const found = await platform.stat(path);
    if (!found) throw new UserError(`${path} does not exist`, 'check the path of the image');
    if (found.kind === 'other')
      throw new UserError(`${path} is a pipe, a socket or a device`, 'give image files, folders or lists');
    if (found.kind === 'file') {
      if (isPathList(path)) (await readPathList(platform, path, options)).forEach(add);
      else add(path);
      continue;
    }
    const folder = await DataFolder.open(platform, path, options.allowOutside);
    const images = await imagesBelow(folder, path, [await platform.realPath(path)]);
    notes.push(...folder.notes());
    if (images.length === 0)
      throw new UserError(`${path} holds no images`, 'give images or folders of images');
    images.forEach(add);
  }
  return { items, notes };
}

/** @param chain the folders that this one lies in, and itself, without links: a link back to one of them would recurse forever */
async function imagesBelow(data: DataFolder, folder: string, chain: readonly string[]): Promise<string[]> {
  const { platform } = data;
  const files = await data.images(folder, true);
  for (const name of await data.folders(folder)) {
    const path = platform.join(folder, name);
    const real = await platform.realPath(path);
    if (chain.includes(real))
      throw new UserError(`${path} is a link back to a folder that it is in`, 'remove the link');
    for (const file of await imagesBelow(data, path, [...chain, real])) files.push(file);
  }
  return files;
}
