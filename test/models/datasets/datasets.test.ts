import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { nodePlatform as platform } from '../../../cli/platform/node.js';
import { UserError } from '../../../engine/errors.js';
import { baseNovelSplit, selectClasses } from '../../../models/datasets/dataset.js';
import { findImages } from '../../../models/datasets/imagePaths.js';
import { knownName, LAYOUTS } from '../../../models/datasets/layouts.js';
import { loadDataset } from '../../../models/datasets/loadDataset.js';
import { parseSplit } from '../../../models/datasets/split.js';
import { makeFiles, temporaryFolder } from '../../helpers/files.js';
import { describeWithShared, sharedFolder } from '../../helpers/shared.js';

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
    await refuses(make([...CLASSES, 'train/cat/notes.doc']), /train.cat holds no images/);
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

describe('what is no image', () => {
  it('is left out of class folders with a note, but for what systems leave behind', async () => {
    const names = ['notes.txt', 'labels.json', 'a.csv', 'photo.heic'].map((name) => `train/Bear/${name}`);
    const odd = [
      ...names,
      'train/Bear/Thumbs.db',
      'train/Bear/.DS_Store',
      'test/Bear/x.md',
      'test/Bear/1.png',
    ];
    const path = make([...CLASSES, ...odd, 'train/Bear/deeper/1.png']);
    const { train, test, notes } = await loadDataset(platform, path);
    expect([train.length, test.length]).toEqual([4, 1]);
    const first = ['a.csv', 'labels.json', 'notes.txt'].map((name) => join(path, 'train', 'Bear', name));
    expect(notes).toEqual([
      `5 files are no images and are left out: ${first.join(', ')}, ...`,
      `1 folder in a class folder is left out, with what is in it: ${join(path, 'train/Bear/deeper')}`,
    ]);
    expect((await loadDataset(platform, make(CLASSES))).notes).toEqual([]);
    const flat = make(['a.png', 'b.mp4', 'Thumbs.db']);
    expect(await loadDataset(platform, flat)).toMatchObject({
      unlabelled: [{ path: join(flat, 'a.png') }],
      notes: [`1 file is no image and is left out: ${join(flat, 'b.mp4')}`],
    });
  });

  it.skipIf(process.platform === 'win32')('is named where it has the name of one', async () => {
    const odd = async (what: RegExp, change: (bear: string) => void, files = CLASSES, at = 'train/Bear') => {
      const path = make(files);
      change(join(path, at));
      await refuses(path, what);
    };
    await odd(/Bear.3\.png is a folder with the name of an image/, (bear) => mkdirSync(join(bear, '3.png')));
    await odd(/Bear.3\.png is a pipe/, (bear) => execFileSync('mkfifo', [join(bear, '3.png')]));
    await odd(/Bear.3\.png is a link that leads to no file/, (bear) =>
      symlinkSync('/dev/zero', join(bear, '3.png')),
    );
    await odd(/Bear.3\.png is a link that leads to no file/, (bear) =>
      symlinkSync(join(bear, 'gone.png'), join(bear, '3.png')),
    );
    await odd(/train.Wolf is a link that leads to no file/, (bear) =>
      symlinkSync('gone', join(bear, '..', 'Wolf')),
    );
    await odd(/3\.png is a pipe/, (flat) => execFileSync('mkfifo', [join(flat, '3.png')]), ['1.png'], '.');
    await odd(/3\.png is a folder/, (flat) => mkdirSync(join(flat, '3.png')), ['1.png'], '.');
    const path = make(['1.png']);
    execFileSync('mkfifo', [join(path, 'list.txt')]);
    await refuses(join(path, 'list.txt'), /list\.txt is a pipe/);
    writeFileSync(join(path, 'images.txt'), '1.png\nlist.png\n');
    execFileSync('mkfifo', [join(path, 'list.png')]);
    await refuses(join(path, 'images.txt'), /list\.png, listed in .*images\.txt line 2, is a pipe/);
  });
});

describe.skipIf(process.platform === 'win32')('links and paths out of the data folder', () => {
  const elsewhere = makeFiles(join(root, 'elsewhere'), ['1.png', 'class/1.png', 'class/2.png']);
  const allowed = { allowOutside: true };

  it('are refused in class folders and flat ones, unless they are allowed', async () => {
    const linked = (from: string, to: string) => {
      const path = make(CLASSES);
      symlinkSync(to, join(path, from));
      return path;
    };
    for (const [from, to] of [
      ['train/Bear/3.png', join(elsewhere, '1.png')],
      ['train/Wolf', join(elsewhere, 'class')],
      ['test', make(['Bear/1.png'])],
    ] as const) {
      const path = linked(from, to);
      await refuses(path, new RegExp(`${from} is a link that leads out of ${path}`));
      const { train, test } = await loadDataset(platform, path, allowed);
      expect(train.length + test.length, from).toBeGreaterThan(4);
    }
    const flat = make(['1.png']);
    symlinkSync(join(elsewhere, '1.png'), join(flat, '2.png'));
    await refuses(flat, /2\.png is a link that leads out/);
    expect((await loadDataset(platform, flat, allowed)).unlabelled).toHaveLength(2);
  });

  it('are no links within it, nor the folder itself', async () => {
    const path = make([...CLASSES, 'store/1.png']);
    symlinkSync('../../store/1.png', join(path, 'train/Bear/3.png'));
    const link = join(root, 'link-to-data');
    symlinkSync(path, link);
    const { train } = await loadDataset(platform, link);
    expect(train.map((item) => item.path)).toContain(join(link, 'train/Bear/3.png'));
  });

  it('are refused in lists, with the line; absolute paths are what people write there', async () => {
    const list = (line: string) =>
      join(make({ 'sub/a.png': '', 'list.txt': `sub/a.png\n\n${line}\n` }), 'list.txt');
    for (const line of [
      '../../elsewhere/1.png',
      'sub/../../../elsewhere/1.png',
      '..\\..\\elsewhere\\1.png',
    ]) {
      const path = list(line);
      const error = await loadDataset(platform, path).catch((e: unknown) => e);
      expect(error).toBeInstanceOf(UserError);
      expect((error as UserError).message).toContain(`list.txt line 3: "${line}" leads out of`);
      expect((await loadDataset(platform, path, allowed)).unlabelled).toHaveLength(2);
    }
    const linked = list('sub/b.png');
    symlinkSync(join(elsewhere, '1.png'), join(linked, '../sub/b.png'));
    await refuses(linked, /list\.txt line 3: .*b\.png is a link that leads out/);
    const hidden = list('sub/.b.png');
    symlinkSync(join(elsewhere, '1.png'), join(hidden, '../sub/.b.png'));
    await refuses(hidden, /line 3: .*\.b\.png is a link that leads out/);
    const folder = list('deep/class/1.png');
    symlinkSync(elsewhere, join(folder, '../deep'));
    await refuses(folder, /line 3: .*deep.class is a link that leads out/);
    expect((await loadDataset(platform, folder, allowed)).unlabelled).toHaveLength(2);
    const absolute = await loadDataset(platform, list(join(elsewhere, '1.png')));
    expect(absolute.unlabelled?.[1]!.path).toBe(join(elsewhere, '1.png'));
  });

  it('are refused in split files, with the entry', async () => {
    const split = (path: string, folder = 'images') => {
      const json = JSON.stringify({
        train: [['a.png', 0, 'a']],
        val: [],
        test: [
          ['a.png', 0, 'a'],
          [path, 0, 'a'],
        ],
      });
      return make(
        { [`${folder}/a.png`]: '', 'b.png': '', 'split_zhou_DescribableTextures.json': json },
        'dtd',
      );
    };
    const outside = ['../../../elsewhere/1.png', '..\\..\\elsewhere\\1.png', join(elsewhere, '1.png')];
    for (const path of outside)
      await refuses(
        split(path),
        /split_zhou_DescribableTextures\.json: "test" entry 1: .* leads out of .*dtd/,
      );
    expect((await loadDataset(platform, split(outside[0]!), allowed)).test[1]!.path).toBe(
      join(elsewhere, '1.png'),
    );
    expect((await loadDataset(platform, split(outside[2]!), allowed)).test[1]!.path).toBe(
      join(elsewhere, '1.png'),
    );
    // Beside the folder of the images, but in that of the data.
    const beside = split('../b.png');
    expect((await loadDataset(platform, beside)).test[1]!.path).toBe(join(beside, 'b.png'));
    const own = make({
      'a.png': '',
      'split.json': readFileSync(join(split('../b.png'), 'split_zhou_DescribableTextures.json'), 'utf8'),
    });
    await refuses(join(own, 'split.json'), /"test" entry 1: "\.\.\/b\.png" leads out/);
    const linked = make(
      {
        'split_zhou_DescribableTextures.json': readFileSync(
          join(beside, 'split_zhou_DescribableTextures.json'),
          'utf8',
        ),
      },
      'dtd',
    );
    symlinkSync(join(beside, 'images'), join(linked, 'images'));
    await refuses(linked, /images is a link that leads out/);
  });

  it('back-slashes are separators where no file has one in its name', async () => {
    const path = make({ 'sub/a.png': '', 'x\\b.png': '', 'list.txt': '\ufeffsub\\a.png\r\nx\\b.png\r\n' });
    const { unlabelled } = await loadDataset(platform, join(path, 'list.txt'));
    expect(unlabelled?.map((item) => item.path)).toEqual([join(path, 'sub/a.png'), join(path, 'x\\b.png')]);
  });

  it('a split file may begin with a byte order mark', async () => {
    const json = JSON.stringify({ train: [['a.png', 0, 'a']], val: [], test: [['s\\a.png', 0, 'a']] });
    const path = make({ 'split.json': `\ufeff${json}`, 'a.png': '', 's/a.png': '' });
    expect((await loadDataset(platform, join(path, 'split.json'))).test[0]!.path).toBe(join(path, 's/a.png'));
  });
});

describe('images on a command line', () => {
  it('one by one, by folders and by lists, in the order given', async () => {
    const path = make({
      'one.png': '',
      'folder/b.png': '',
      'folder/a/c.png': '',
      'folder/notes.txt': '',
      'lists/own.txt': '# mine\n../lists/d.png\n',
      'lists/d.png': '',
    });
    const at = (name: string) => join(path, name);
    const given = [at('lists/own.txt'), at('folder'), at('one.png')];
    expect(await findImages(platform, given, { allowOutside: true })).toEqual({
      items: ['lists/d.png', 'folder/b.png', 'folder/a/c.png', 'one.png'].map((name) => ({
        path: at(name),
        label: -1,
      })),
      notes: [`1 file is no image and is left out: ${at('folder/notes.txt')}`],
    });
    await expect(findImages(platform, given)).rejects.toThrow(
      /own\.txt line 2: "\.\.\/lists\/d\.png" leads out/,
    );
  });

  it.skipIf(process.platform === 'win32')('not through links in a circle, nor out of a folder', async () => {
    const path = make(['a/b/1.png', 'c/1.png']);
    symlinkSync('../..', join(path, 'a/b/up'));
    await expect(findImages(platform, [path])).rejects.toThrow(
      /b.up is a link back to a folder that it is in/,
    );
    rmSync(join(path, 'a/b/up'));
    symlinkSync('../../c', join(path, 'a/b/over'));
    symlinkSync('../a', join(path, 'c/back'));
    await expect(findImages(platform, [path])).rejects.toThrow(/is a link back to a folder that it is in/);
    rmSync(join(path, 'c/back'));
    expect((await findImages(platform, [path])).items).toHaveLength(3);
    await expect(findImages(platform, [join(path, 'a')])).rejects.toThrow(/over is a link that leads out/);
    execFileSync('mkfifo', [join(path, 'pipe.png')]);
    await expect(findImages(platform, [join(path, 'pipe.png')])).rejects.toThrow(/pipe\.png is a pipe/);
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
    await refuses(make(['notes.doc', 'b.mp4']), /holds no images/);
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
    expect(data.train[0]!.path).toBe(join(path, 'eurosat/2750/d/0.jpg'));
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
    expect(v2.test[10]!.path).toMatch(/val.10.x\.jpeg/);
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
