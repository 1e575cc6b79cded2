/** Images without labels: named one by one, in flat folders and in lists. */
import { execFileSync } from 'node:child_process';
import { rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { nodePlatform as platform } from '../../../cli/platform/node.js';
import { findImages } from '../../../models/datasets/imagePaths.js';
import { loadDataset } from '../../../models/datasets/loadDataset.js';
import { dataFolders, refuses } from './dataFolders.js';

const { make } = dataFolders('unlabelled');

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
      notes: [`1 file is not an image and is left out: ${at('folder/notes.txt')}`],
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
    await refuses(join(make({ 'data.csv': 'a.png' }), 'data.csv'), /data\.csv is not a data set/);
  });
});
