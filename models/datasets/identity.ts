/** Identifies a list of images, independent of its location. */
import type { Platform } from '../platform.js';
import type { Dataset, ImageItem } from './dataset.js';

/** Hashes of the class names, and of the images' names and labels in their order. */
export async function imageInputs(
  platform: Platform,
  { classNames }: Pick<Dataset, 'classNames'>,
  items: readonly ImageItem[],
): Promise<{ readonly classes: string; readonly images: string }> {
  const hash = (lines: readonly string[]) => platform.sha256Bytes(new TextEncoder().encode(lines.join('\n')));
  return {
    classes: await hash(classNames),
    images: await hash(items.map(({ path, label }) => `${label} ${platform.baseName(path)}`)),
  };
}
