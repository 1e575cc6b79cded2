/** Image files that a user names one by one or by their folders. */
import { UserError } from '../../engine/errors.js';
import type { Platform } from '../platform.js';
import type { ImageItem } from './dataset.js';
import { listFolders, listImages } from './folder.js';

/**
 * The images at `paths` in the order given; folders stand for the images in them and in their sub-folders.
 *
 * @throws UserError naming a path that does not exist, is no image, or is a folder without images
 */
export async function findImages(platform: Platform, paths: readonly string[]): Promise<ImageItem[]> {
  const items: ImageItem[] = [];
  for (const path of paths) {
    const found = await platform.stat(path);
    if (!found) throw new UserError(`${path} does not exist`, 'check the path of the image');
    const files = found.kind === 'file' ? [path] : await imagesBelow(platform, path);
    if (files.length === 0)
      throw new UserError(`${path} holds no images`, 'give images or folders of images');
    items.push(...files.map((file) => ({ path: file, label: -1 })));
  }
  return items;
}

async function imagesBelow(platform: Platform, folder: string): Promise<string[]> {
  const files = await listImages(platform, folder);
  for (const name of await listFolders(platform, folder))
    files.push(...(await imagesBelow(platform, platform.join(folder, name))));
  return files;
}
