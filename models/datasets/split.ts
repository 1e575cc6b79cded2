/** CoOp's split files: `{"train": [[path, label, class name], ...], "val": ..., "test": ...}`. */
import { UserError } from '../../engine/index.js';
import { readable } from '../../formats/fileErrors.js';
import { promptName } from './classNames.js';
import type { DataFolder } from './dataFolder.js';
import type { Dataset, ImageItem } from './dataset.js';
import { resolveListed } from './listedPaths.js';

const HINT = 'download the split file again from CoOp’s DATASETS.md';

/**
 * Reads a split file's content; paths stay as they are. Class names are the file's own (CoOp's rules for Caltech, EuroSAT,
 * Cars, SUN and UCF are already in it), with spaces for underscores.
 *
 * @param where the file's path, for messages
 * @throws UserError when it is no split file, a label has no name or two, or training or test images are missing
 */
export function parseSplit(
  text: string,
  where: string,
): Required<Pick<Dataset, 'classNames' | 'train' | 'val' | 'test'>> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new UserError(`${where} is not valid JSON`, HINT);
  }
  const names = new Map<number, string>();
  const part = (key: string): ImageItem[] => {
    const rows = (json as Record<string, unknown> | null)?.[key];
    if (!Array.isArray(rows)) throw new UserError(`${where} has no list "${key}"`, HINT);
    return rows.map((row: unknown, index) => {
      const [path, label, name] = Array.isArray(row) ? row : [];
      if (typeof path !== 'string' || !Number.isInteger(label) || label < 0 || typeof name !== 'string')
        throw new UserError(`${where}: "${key}" entry ${index} is not [path, label, class name]`, HINT);
      const known = names.get(label);
      if (known !== undefined && known !== name)
        throw new UserError(readable(`${where}: label ${label} is both "${known}" and "${name}"`), HINT);
      names.set(label, name);
      return { path, label };
    });
  };
  const [train, val, test] = [part('train'), part('val'), part('test')];
  const classNames = Array.from({ length: names.size }, (_, label) => {
    const name = names.get(label);
    if (name === undefined)
      throw new UserError(`${where}: label ${label} of ${names.size} is not used`, HINT);
    return promptName(name);
  });
  if (train.length === 0 || test.length === 0)
    throw new UserError(`${where}: "${train.length === 0 ? 'train' : 'test'}" is empty`, HINT);
  return { classNames, train, val, test };
}

/**
 * Loads a split file.
 *
 * @param data the folder that its images must lie in
 * @param images the folder in it where its paths start
 * @throws UserError when the images are not there, or outside
 */
export async function loadSplitFile(
  data: DataFolder,
  file: string,
  images = '.',
  name = data.platform.baseName(file).replace(/^split_zhou_|\.json$/g, ''),
): Promise<Dataset> {
  const { platform } = data;
  const split = parseSplit(await platform.readText(file), file);
  const imageFolder = platform.join(data.path, images);
  await data.requireInside(imageFolder);
  const resolved = (key: 'train' | 'val' | 'test'): Promise<ImageItem[]> =>
    resolveListed(data, split[key], {
      start: images,
      where: (index) => `${file}: "${key}" entry ${index}`,
    });
  const [train, val, test] = [await resolved('train'), await resolved('val'), await resolved('test')];
  // One of each shows whether the images were unpacked in the right place; the others are checked when decoded.
  for (const { path } of [train[0]!, test[0]!])
    if (!(await platform.stat(path)))
      throw new UserError(
        `${path}, listed in ${file}, does not exist`,
        `unpack the images under ${imageFolder}`,
      );
  return { name, classNames: split.classNames, train, val, test };
}
