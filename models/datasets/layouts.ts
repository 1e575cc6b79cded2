/** Where the paper's eleven data sets and the four ImageNet variants keep their files in CoOp's folders, an entry each. */
import { UserError } from '../../engine/index.js';
import type { Platform } from '../platform.js';
import { linesOf, parseClassNames, promptName } from './classNames.js';
import { type DataFolder, isFolder } from './dataFolder.js';
import type { Dataset, ImageItem } from './dataset.js';
import { resolveListed } from './listedPaths.js';
import { loadSplitFile } from './split.js';

/** A known data set in CoOp's folders. */
export interface Layout {
  readonly name: string;
  /** The folder's name in a folder of data sets. */
  readonly folder: string;
  /** What must be in the folder for it to be this data set. */
  readonly marker: string;
  load(data: DataFolder): Promise<Dataset>;
}

/** The known data sets. */
export const LAYOUTS: readonly Layout[] = [
  imageNet(),
  splitJson('Caltech101', 'caltech-101', '101_ObjectCategories'),
  splitJson('OxfordPets', 'oxford_pets', 'images'),
  splitJson('StanfordCars', 'stanford_cars', '.'),
  splitJson('OxfordFlowers', 'oxford_flowers', 'jpg'),
  splitJson('Food101', 'food-101', 'images'),
  aircraft(),
  splitJson('SUN397', 'sun397', 'SUN397'),
  splitJson('DescribableTextures', 'dtd', 'images'),
  splitJson('EuroSAT', 'eurosat', '2750'),
  splitJson('UCF101', 'ucf101', 'UCF-101-midframes'),
  imageNetVariant('ImageNetV2', 'imagenetv2', 'imagenetv2-matched-frequency-format-val', 'numbers'),
  imageNetVariant('ImageNetSketch', 'imagenet-sketch', 'images', 'wnids'),
  imageNetVariant('ImageNetA', 'imagenet-adversarial', 'imagenet-a', 'wnids'),
  imageNetVariant('ImageNetR', 'imagenet-rendition', 'imagenet-r', 'wnids'),
];

/** Names as people write them: `OxfordPets`, `oxford_pets` and `oxford-pets` are one. */
const plain = (name: string): string => name.toLowerCase().replace(/[\s_-]/g, '');

/** Whether a layout goes by `name`: its own name or its folder's, in any spelling. */
export const isCalled = (layout: Layout, name: string): boolean =>
  [layout.name, layout.folder].some((known) => plain(known) === plain(name));

/**
 * The name in `LAYOUTS` of the data set at `path`; undefined when none, or more than one, is recognised.
 *
 * @param wanted which one, when `path` holds several
 */
export async function knownName(
  platform: Platform,
  path: string,
  wanted?: string,
): Promise<string | undefined> {
  if (wanted !== undefined) return LAYOUTS.find((layout) => isCalled(layout, wanted))?.name;
  if (!(await isFolder(platform, path))) return undefined;
  const found = await findLayouts(platform, path);
  return found.length === 1 ? found[0]!.name : undefined;
}

/**
 * The layouts found at `path` itself, or else in the folders under it, each with the path of its folder; only the one called
 * `wanted`, if given.
 */
export async function findLayouts(platform: Platform, path: string, wanted?: string): Promise<Layout[]> {
  const found: Layout[] = [];
  for (const depth of ['itself', 'below'] as const) {
    for (const layout of LAYOUTS) {
      if (wanted !== undefined && !isCalled(layout, wanted)) continue;
      const folder = depth === 'below' ? platform.join(path, layout.folder) : path;
      // A marker that is a folder ("images") is common, so unless the user says which, the name must fit too.
      const sure =
        wanted !== undefined || /\.\w+$/.test(layout.marker) || platform.baseName(folder) === layout.folder;
      if (sure && (await platform.stat(platform.join(folder, layout.marker))))
        found.push({ ...layout, folder });
    }
    if (found.length > 0) break;
  }
  return found;
}

function splitJson(name: string, folder: string, images: string): Layout {
  const marker = `split_zhou_${name}.json`;
  const load = (data: DataFolder) => loadSplitFile(data, data.platform.join(data.path, marker), images, name);
  return { name, folder, marker, load };
}

/** FGVC-Aircraft: `variants.txt` gives the classes, `images_variant_<part>.txt` lines of "image class name". */
function aircraft(): Layout {
  const load = async (data: DataFolder): Promise<Dataset> => {
    const { platform, path: folder } = data;
    const read = async (file: string) => linesOf(await platform.readText(platform.join(folder, file)));
    const variants = await read('variants.txt');
    const part = async (key: string): Promise<ImageItem[]> => {
      const file = `images_variant_${key}.txt`;
      const rows = await read(file);
      const items = rows.map((row) => {
        const [image, ...words] = row.split(' ');
        const name = words.join(' ');
        const label = variants.indexOf(name);
        if (label < 0)
          throw new UserError(
            `${platform.join(folder, file)}: "${name}" is not in variants.txt`,
            'download the data set’s text files again',
          );
        return { path: `${image}.jpg`, label };
      });
      return resolveListed(data, items, {
        start: 'images',
        where: (index) => `${platform.join(folder, file)}: "${rows[index]}"`,
      });
    };
    const [train, val, test] = [await part('train'), await part('val'), await part('test')];
    return { name: 'FGVCAircraft', classNames: variants.map(promptName), train, val, test };
  };
  return { name: 'FGVCAircraft', folder: 'fgvc_aircraft', marker: 'variants.txt', load };
}

/** `images/train/<wnid>` and `images/val/<wnid>`, labels by sorted wnid; the validation images are the test set. */
function imageNet(): Layout {
  const load = async (data: DataFolder): Promise<Dataset> => {
    const { platform, path: folder } = data;
    const trainFolder = platform.join(folder, 'images', 'train');
    await data.requireInside(trainFolder);
    const wnids = await data.folders(trainFolder);
    const classNames = await namesOf(platform, folder, wnids);
    const train = await listClasses(data, trainFolder, wnids);
    const test = await listClasses(data, platform.join(folder, 'images', 'val'), wnids);
    return { name: 'ImageNet', classNames, train, test };
  };
  return { name: 'ImageNet', folder: 'imagenet', marker: 'images/train', load };
}

/**
 * The variants are for testing only. As in the reference all images are `train` and `test` at once, so distilling on
 * them is transductive. ImageNetV2 numbers its folders by line of `classnames.txt`; the others use wnids.
 */
function imageNetVariant(name: string, folder: string, images: string, key: 'numbers' | 'wnids'): Layout {
  const load = async (data: DataFolder): Promise<Dataset> => {
    const { platform, path } = data;
    const imageFolder = platform.join(path, images);
    await data.requireInside(imageFolder);
    const listed = await data.folders(imageFolder);
    let classNames: string[];
    let folders = listed;
    if (key === 'numbers') {
      folders = listed.map((_, label) => String(label));
      classNames = (await readWnidNames(platform, path)).slice(0, folders.length).map(({ name: cls }) => cls);
      if (classNames.length < folders.length)
        throw new UserError(
          `${platform.join(path, 'classnames.txt')} names ${classNames.length} of ${folders.length} classes`,
          'copy ImageNet’s classnames.txt there',
        );
    } else classNames = await namesOf(platform, path, listed);
    const all = await listClasses(data, imageFolder, folders);
    return { name, classNames, train: all, test: all };
  };
  return { name, folder, marker: images, load };
}

async function readWnidNames(platform: Platform, folder: string) {
  const text = await platform.readText(platform.join(folder, 'classnames.txt'));
  const wnids = linesOf(text).map((line) => line.split(' ', 1)[0]!);
  return parseClassNames(text, new Set(wnids));
}

async function namesOf(platform: Platform, folder: string, wnids: string[]): Promise<string[]> {
  const names = new Map(
    (await readWnidNames(platform, folder)).map(({ folder: wnid, name }) => [wnid, name]),
  );
  return wnids.map((wnid) => {
    const name = names.get(wnid);
    if (name === undefined)
      throw new UserError(
        `${platform.join(folder, 'classnames.txt')} has no line for ${wnid}`,
        'copy CoOp’s classnames.txt there',
      );
    return name;
  });
}

/** Images of each folder, labelled by its place in `folders`. Not all variants have images of every class. */
async function listClasses(data: DataFolder, parent: string, folders: string[]): Promise<ImageItem[]> {
  const { platform } = data;
  const items: ImageItem[] = [];
  for (const [label, name] of folders.entries()) {
    const folder = platform.join(parent, name);
    if (!(await isFolder(platform, folder)))
      throw new UserError(`the class folder ${folder} does not exist`, 'unpack the data set again');
    await data.requireInside(folder);
    for (const path of await data.images(folder)) items.push({ path, label });
  }
  if (items.length === 0) throw new UserError(`${parent} holds no images`, 'unpack the data set there');
  return items;
}
