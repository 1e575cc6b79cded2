/** Links and listed paths that lead out of the data folder. */
import { readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { nodePlatform as platform } from '../../../cli/platform/node.js';
import { UserError } from '../../../engine/errors.js';
import { loadDataset } from '../../../models/datasets/loadDataset.js';
import { makeFiles } from '../../helpers/files.js';
import { CLASSES, dataFolders, refuses } from './dataFolders.js';

const { make, root } = dataFolders('links');

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
    expect(absolute.unlabelled?.[1]?.path).toBe(join(elsewhere, '1.png'));
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
