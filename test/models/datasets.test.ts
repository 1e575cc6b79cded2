import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { nodePlatform as platform } from '../../cli/platform/node.js';
import { UserError } from '../../engine/errors.js';
import { baseNovelSplit, loadDataset, selectClasses } from '../../models/datasets/dataset.js';
import { knownName, LAYOUTS } from '../../models/datasets/layouts.js';
import { parseSplit } from '../../models/datasets/split.js';
import { makeFiles, temporaryFolder } from '../helpers/files.js';
import { describeWithShared, sharedFolder } from '../helpers/shared.js';

const root = temporaryFolder('datasets');
let count = 0;
const make = (files: Record<string, string> | string[], name = 'data') =>
  makeFiles(join(root, String(count++), name), files);

/** That loading fails with a message that names `what` and tells the mend. */
async function refuses(path: string, what: RegExp, options = {}) {
  const error = await loadDataset(platform, path, options).catch((e: unknown) => e);
  expect(error).toBeInstanceOf(UserError);
  expect((error as UserError).message).toMatch(what);
  expect((error as UserError).mend).not.toBe('');
}

const CLASSES = ['train/red_fox/1.png', 'train/red_fox/2.png', 'train/Bear/1.JPG', 'train/Bear/2.jpg'];

describe('class folders', () => {
  it('with train and test: names in ASCII order, underscores as spaces', async () => {
    const path = make([
      ...CLASSES,
      'test/Bear/9.webp',
      'test/red_fox/8.png',
      'train/.hidden',
      'train/Bear/Thumbs.db',
    ]);
    const data = await loadDataset(platform, path);
    expect(data).toMatchObject({ name: 'data', classNames: ['Bear', 'red fox'] });
    expect(data.train).toEqual([
      { path: join(path, 'train/Bear/1.JPG'), label: 0 },
      { path: join(path, 'train/Bear/2.jpg'), label: 0 },
      { path: join(path, 'train/red_fox/1.png'), label: 1 },
      { path: join(path, 'train/red_fox/2.png'), label: 1 },
    ]);
    expect(data.test.map(({ label }) => label)).toEqual([0, 1]);
  });

  it('in the order and with the names of classnames.txt', async () => {
    const data = await loadDataset(
      platform,
      make({ ...blank(CLASSES), 'classnames.txt': 'red_fox\nBear brown bear\n' }),
    );
    expect(data.classNames).toEqual(['red fox', 'brown bear']);
    expect(data.train.map(({ label }) => label)).toEqual([0, 0, 1, 1]);
  });

  it('without a split: all for training, or a share held out', async () => {
    const path = make(['a/1.png', 'a/2.png', 'a/3.png', 'a/4.png', 'b/1.png', 'b/2.png']);
    expect((await loadDataset(platform, path)).test).toEqual([]);
    const held = await loadDataset(platform, path, { holdOut: 0.5 });
    expect(held.train.map(({ path: p }) => p.slice(path.length + 1))).toEqual([
      'a/1.png',
      'a/2.png',
      'b/1.png',
    ]);
    expect(held.test.map(({ path: p }) => p.slice(path.length + 1))).toEqual([
      'a/3.png',
      'a/4.png',
      'b/2.png',
    ]);
  });

  it('names what is wrong', async () => {
    await refuses(join(root, 'nothing'), /nothing does not exist/);
    await refuses(make([...CLASSES, 'train/cat/1.png']), /train.cat has only one image/);
    await refuses(make([...CLASSES, 'train/cat/.keep']), /train.cat is empty/);
    await refuses(make([...CLASSES, 'train/Bear/notes.doc']), /notes\.doc is no image/);
    await refuses(
      make([...CLASSES, 'train/RED fox/1.png', 'train/RED fox/2.png']),
      /"RED fox" and "red fox"/,
    );
    await refuses(make([...CLASSES, 'test/bear/1.png']), /test.bear has no counterpart/);
    await refuses(make([...CLASSES, 'test/Bear/.keep']), /test.Bear is empty/);
    await refuses(make(['test/Bear/1.png']), /no train folder/);
    await refuses(make(['train/1.png']), /no class folders/);
    await refuses(make(['a/1.png', 'a/2.png', 'b.png']), /beside class folders/);
    await refuses(make({ ...blank(CLASSES), 'classnames.txt': 'red_fox\nWolf\n' }), /names "Wolf"/);
    await refuses(make({ ...blank(CLASSES), 'classnames.txt': 'red_fox\n' }), /"Bear" is not in/);
    await refuses(make({ ...blank(CLASSES), 'classnames.txt': 'red_fox\nBear red fox' }), /same name/);
  });
});

describe('images without labels', () => {
  it('in a flat folder', async () => {
    const path = make(['b.png', 'a.jpeg']);
    const data = await loadDataset(platform, path);
    expect(data).toMatchObject({ classNames: [], train: [], test: [] });
    expect(data.unlabelled).toEqual([
      { path: join(path, 'a.jpeg'), label: -1 },
      { path: join(path, 'b.png'), label: -1 },
    ]);
    await refuses(make([]), /holds no images/);
    await refuses(make(['a.png', 'b.mp4']), /b\.mp4 is no image/);
  });

  it('in a text file, relative to it or absolute', async () => {
    const other = join(make(['x.png']), 'x.png');
    const path = make({ 'list.txt': `# two\nsub/a.png\n\n${other}\r\n`, 'sub/a.png': '' });
    const data = await loadDataset(platform, join(path, 'list.txt'));
    expect(data.unlabelled!.map((item) => item.path)).toEqual([join(path, 'sub/a.png'), other]);
    await refuses(join(make({ 'list.txt': 'gone.png' }), 'list.txt'), /gone\.png, listed in .*list\.txt/);
    await refuses(join(make({ 'list.txt': '\n# none\n' }), 'list.txt'), /lists no images/);
    await refuses(join(make({ 'data.csv': 'a.png' }), 'data.csv'), /data\.csv is no data set/);
  });
});

describe('split files', () => {
  const rows = (...labels: number[]) => labels.map((label, i) => [`d/${i}.jpg`, label, `class_${label}`]);
  const split = (over: object = {}) =>
    JSON.stringify({ train: rows(1, 0, 1), val: rows(0), test: rows(1), ...over });
  const parse = (text: string) => parseSplit(text, 'split.json', (path) => `root/${path}`);

  it('keep order, labels and names', () => {
    expect(parse(split())).toEqual({
      classNames: ['class 0', 'class 1'],
      train: [1, 0, 1].map((label, i) => ({ path: `root/d/${i}.jpg`, label })),
      val: [{ path: 'root/d/0.jpg', label: 0 }],
      test: [{ path: 'root/d/0.jpg', label: 1 }],
      notes: [],
    });
  });

  it('say what is wrong', () => {
    expect(() => parse('{')).toThrow(/not valid JSON/);
    expect(() => parse('null')).toThrow(/no list "train"/);
    expect(() => parse(split({ val: {} }))).toThrow(/no list "val"/);
    expect(() => parse(split({ test: [['a.jpg', -1, 'x']] }))).toThrow(/"test" entry 0/);
    expect(() => parse(split({ test: [['a.jpg', 1, 'x']] }))).toThrow(/label 1 is both "class_1" and "x"/);
    expect(() => parse(split({ test: rows(5) }))).toThrow(/label 2 of 3 is not used/);
    expect(() => parse(split({ test: [] }))).toThrow(/"test" is empty/);
  });

  it('note equal names instead of refusing', () => {
    const text = split({ test: [['a.jpg', 2, 'Class 1']] });
    expect(parse(text).notes).toEqual(['classes 1 and 2 are both called "Class 1" and cannot be told apart']);
  });
});

describe('known layouts', () => {
  const split = JSON.stringify({
    train: [['d/0.jpg', 0, 'a_b']],
    val: [],
    test: [['d/1.jpg', 0, 'a_b']],
  });

  it('are found in a folder of data sets, by name if there are several', async () => {
    const path = make({
      'eurosat/split_zhou_EuroSAT.json': split,
      ...blank(['eurosat/2750/d/0.jpg', 'eurosat/2750/d/1.jpg', 'dtd/images/d/0.jpg', 'dtd/images/d/1.jpg']),
      'dtd/split_zhou_DescribableTextures.json': split,
    });
    await refuses(path, /several data sets: DescribableTextures, EuroSAT/);
    const data = await loadDataset(platform, path, { dataset: 'eurosat' });
    expect(data).toMatchObject({ name: 'EuroSAT', classNames: ['a b'] });
    expect(data.train[0].path).toBe(join(path, 'eurosat/2750/d/0.jpg'));
    expect((await loadDataset(platform, join(path, 'dtd'))).name).toBe('DescribableTextures');
    await refuses(path, /holds no Food101: neither split_zhou_Food101\.json/, { dataset: 'food101' });
    await refuses(path, /no data set called "cifar"/, { dataset: 'cifar' });
    expect((await loadDataset(platform, path, { dataset: 'euro_sat' })).name).toBe('EuroSAT');
    expect(await knownName(platform, path, 'dtd')).toBe('DescribableTextures');
    expect(await knownName(platform, join(path, 'eurosat'))).toBe('EuroSAT');
    expect(await knownName(platform, path)).toBeUndefined();
    await refuses(make({ 'split_zhou_SUN397.json': split }), /d.0\.jpg, listed in .*does not exist/);
  });

  it('FGVCAircraft: classes by variants.txt, names with spaces', async () => {
    const part = (id: string) => ({ [`images_variant_${id}.txt`]: `00${id.length} Boeing 707\n7 A-320 x\n` });
    const path = make({
      'variants.txt': 'A-320 x\nBoeing 707\n',
      ...part('train'),
      ...part('val'),
      ...part('test'),
    });
    const data = await loadDataset(platform, path);
    expect(data).toMatchObject({ name: 'FGVCAircraft', classNames: ['A-320 x', 'Boeing 707'] });
    expect(data.train).toEqual([
      { path: join(path, 'images/005.jpg'), label: 1 },
      { path: join(path, 'images/7.jpg'), label: 0 },
    ]);
  });

  it('ImageNet: labels by sorted wnid, validation images for testing, equal names noted', async () => {
    const files = ['train/n03/a.JPEG', 'train/n01/b.JPEG', 'val/n01/c.JPEG', 'val/n03/d.JPEG'].map(
      (f) => `images/${f}`,
    );
    const path = make(
      { ...blank(files), 'classnames.txt': 'n03 crane\nn01 crane\nn02 unused\n' },
      'imagenet',
    );
    const data = await loadDataset(platform, path);
    expect(data.classNames).toEqual(['crane', 'crane']);
    expect(data.notes).toHaveLength(1);
    expect(data.train).toEqual([
      { path: join(path, 'images/train/n01/b.JPEG'), label: 0 },
      { path: join(path, 'images/train/n03/a.JPEG'), label: 1 },
    ]);
    expect(data.test.map(({ label }) => label)).toEqual([0, 1]);
  });

  it('variants: their own classes, every image both train and test', async () => {
    const sketch = make(
      { ...blank(['images/n02/a.JPEG', 'images/n09/b.JPEG']), 'classnames.txt': 'n01 x\nn02 fox\nn09 owl\n' },
      'imagenet-sketch',
    );
    const data = await loadDataset(platform, sketch);
    expect(data).toMatchObject({ name: 'ImageNetSketch', classNames: ['fox', 'owl'] });
    expect(data.train).toBe(data.test);

    // Folder 10 is line 10 of the list, not the third folder in ASCII order.
    const images = Array.from(
      { length: 11 },
      (_, i) => `imagenetv2-matched-frequency-format-val/${i}/x.jpeg`,
    );
    const names = images.map((_, i) => `n${i} name ${i}`).join('\n');
    const v2 = await loadDataset(platform, make({ ...blank(images), 'classnames.txt': names }, 'imagenetv2'));
    expect(v2.classNames[10]).toBe('name 10');
    expect(v2.test[10].path).toMatch(/val.10.x\.jpeg/);
  });
});

describe('classes', () => {
  it('halve as the reference does', () => {
    expect(baseNovelSplit(5)).toEqual({ base: [0, 1, 2], novel: [3, 4] });
    expect(baseNovelSplit(4)).toEqual({ base: [0, 1], novel: [2, 3] });
  });

  it('can be selected and renumbered', () => {
    const items = [0, 1, 2, 1].map((label, i) => ({ path: String(i), label }));
    const data = { name: 'x', classNames: ['a', 'b', 'c'], train: items, test: items };
    expect(selectClasses(data, [2, 1])).toMatchObject({
      classNames: ['c', 'b'],
      train: [
        { path: '1', label: 1 },
        { path: '2', label: 0 },
        { path: '3', label: 1 },
      ],
    });
  });
});

describeWithShared('data', 'published data', () => {
  /** Classes, base, novel; images to train on, of base classes to test on, of novel ones (the paper's table 8). */
  const sizes = {
    DescribableTextures: [47, 24, 23, 2820, 864, 828],
    OxfordFlowers: [102, 51, 51, 4093, 1053, 1410],
    OxfordPets: [37, 19, 18, 2944, 1881, 1788],
    StanfordCars: [196, 98, 98, 6509, 4002, 4039],
    UCF101: [101, 51, 50, 7639, 1934, 1849],
  };
  for (const [name, expected] of Object.entries(sizes))
    it(name, () => {
      const file = `${sharedFolder}/data/splits/split_zhou_${name}.json`;
      const data = { name, ...parseSplit(readFileSync(file, 'utf8'), file, (path) => path) };
      expect(LAYOUTS.some((layout) => layout.name === name)).toBe(true);
      const halves = baseNovelSplit(data.classNames.length);
      const [base, novel] = [selectClasses(data, halves.base), selectClasses(data, halves.novel)];
      expect([
        data.classNames.length,
        base.classNames.length,
        novel.classNames.length,
        data.train.length,
        base.test.length,
        novel.test.length,
      ]).toEqual(expected);
    });

  it('small copies load from their folders', async () => {
    const caltech = await loadDataset(platform, `${sharedFolder}/data/caltech101-mini`);
    expect([caltech.name, caltech.classNames.length, caltech.train.length]).toEqual(['Caltech101', 100, 300]);
    expect(caltech.classNames.slice(0, 3)).toEqual(['face', 'leopard', 'motorbike']);
    const eurosat = await loadDataset(platform, `${sharedFolder}/data/eurosat-mini/eurosat`);
    expect([eurosat.name, eurosat.classNames[0], eurosat.test.length]).toEqual([
      'EuroSAT',
      'Annual Crop Land',
      100,
    ]);
  });
});

function blank(paths: string[]): Record<string, string> {
  return Object.fromEntries(paths.map((path) => [path, '']));
}
