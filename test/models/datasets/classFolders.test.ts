/** Class folders, and what lies in them that is no image. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { nodePlatform as platform } from '../../../cli/platform/node.js';
import { loadDataset } from '../../../models/datasets/loadDataset.js';
import { blank, CLASSES, dataFolders, refuses } from './dataFolders.js';

const { make, root } = dataFolders('class-folders');

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
      `5 files are not images and are left out: ${first.join(', ')}, ...`,
      `1 folder in a class folder is left out, with what is in it: ${join(path, 'train/Bear/deeper')}`,
    ]);
    expect((await loadDataset(platform, make(CLASSES))).notes).toEqual([]);
    const flat = make(['a.png', 'b.mp4', 'Thumbs.db']);
    expect(await loadDataset(platform, flat)).toMatchObject({
      unlabelled: [{ path: join(flat, 'a.png') }],
      notes: [`1 file is not an image and is left out: ${join(flat, 'b.mp4')}`],
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
