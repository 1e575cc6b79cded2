/** Image files that a user names one by one or by their folders. */
import { UserError } from '../../engine/index.js';
import type { Platform } from '../platform.js';
import { DataFolder } from './dataFolder.js';
import { type DatasetOptions, type ImageItem, itemsOf } from './dataset.js';
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
  { allowOutside }: Pick<DatasetOptions, 'allowOutside'> = {},
): Promise<{ items: ImageItem[]; notes: string[] }> {
  const items: ImageItem[][] = [];
  const notes: string[] = [];
  for (const path of paths) {
    const kind = (await platform.stat(path))?.kind;
    if (kind === undefined) throw new UserError(`${path} does not exist`, 'check the path of the image');
    if (kind === 'other')
      throw new UserError(`${path} is a pipe, a socket or a device`, 'give image files, folders or lists');
    if (kind === 'folder') {
      const data = await DataFolder.open(platform, path, allowOutside);
      const images = await imagesBelow(data, path, [await platform.realPath(path)]);
      notes.push(...data.notes());
      if (images.length === 0)
        throw new UserError(`${path} holds no images`, 'give images or folders of images');
      items.push(itemsOf(images));
    } else if (isPathList(path)) {
      const data = await DataFolder.open(platform, platform.join(path, '..'), allowOutside);
      items.push(await readPathList(data, path));
    } else items.push(itemsOf([path]));
  }
  return { items: items.flat(), notes };
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
