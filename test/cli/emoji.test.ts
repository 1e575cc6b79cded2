import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { emojiClipFolder, makeEmojiData } from '../../cli/demo/emoji.js';
import { nodePlatform } from '../../cli/platform/node.js';
import { loadDataset } from '../../models/datasets/loadDataset.js';
import { temporaryFolder } from '../helpers/files.js';

const root = temporaryFolder('emoji');
const icons = {
  width: 32,
  height: 32,
  icons: {
    square: { body: '<path fill="#f00" d="M8 8h16v16H8z"/>' },
    wide: { body: '<path fill="#00f" d="M0 0h32v16H0z"/>', height: 16 },
    ball: { body: '<circle cx="16" cy="16" r="16"/>' },
  },
};
const classes = [
  { class: 'two words', train: ['square', 'wide'], test: ['ball'] },
  { class: 'another', train: ['ball', 'square'], test: ['wide'] },
];

describe('makeEmojiData', () => {
  it('draws class folders that load in label order, and reports progress', async () => {
    const out = join(root, 'small');
    const progress: [number, number][] = [];
    await makeEmojiData(out, { classes, icons, progress: (done, total) => progress.push([done, total]) });
    expect(progress.at(-1)).toEqual([6, 6]);
    const data = await loadDataset(nodePlatform, out);
    expect(data.classNames).toEqual(['two words', 'another']);
    expect([data.train.length, data.test.length]).toEqual([4, 2]);
    expect(readdirSync(root)).toEqual(['small']);
  });

  it('fits and centres the view box on white', async () => {
    const pixel = async (file: string, x: number, y: number) => {
      const { data, info } = await sharp(join(root, 'small', file))
        .raw()
        .toBuffer({ resolveWithObject: true });
      expect([info.width, info.height, info.channels]).toEqual([64, 64, 3]);
      return [...data.subarray((y * 64 + x) * 3, (y * 64 + x) * 3 + 3)];
    };
    const [white, red, blue] = [
      [255, 255, 255],
      [255, 0, 0],
      [0, 0, 255],
    ];
    expect(await pixel('train/two_words/square.png', 15, 15)).toEqual(white);
    expect(await pixel('train/two_words/square.png', 16, 16)).toEqual(red);
    expect(await pixel('train/two_words/square.png', 47, 47)).toEqual(red);
    // 32 x 16 fills the width and leaves a quarter of white above and below.
    expect(await pixel('test/another/wide.png', 0, 15)).toEqual(white);
    expect(await pixel('test/another/wide.png', 0, 16)).toEqual(blue);
    expect(await pixel('test/another/wide.png', 63, 47)).toEqual(blue);
  });

  it('draws nothing if the pictures exist', async () => {
    const file = join(root, 'small', 'classnames.txt');
    const before = statSync(file).mtimeMs;
    await makeEmojiData(join(root, 'small'), { classes, icons, progress: () => expect.fail('drew again') });
    expect(statSync(file).mtimeMs).toBe(before);
  });

  it('names a missing icon and leaves nothing behind', async () => {
    const broken = [{ class: 'x', train: ['square', 'unicorn'], test: [] }];
    await expect(makeEmojiData(join(root, 'broken'), { classes: broken, icons })).rejects.toThrow(
      '"unicorn"',
    );
    expect(existsSync(join(root, 'broken'))).toBe(false);
    const invalid = { ...icons, icons: { ...icons.icons, unicorn: { body: '<g>' } } };
    await expect(makeEmojiData(join(root, 'broken'), { classes: broken, icons: invalid })).rejects.toThrow();
    expect(readdirSync(root)).toEqual(['small']);
  });

  it('does not touch a folder with other files', async () => {
    mkdirSync(join(root, 'mine'));
    writeFileSync(join(root, 'mine', 'thesis.txt'), '');
    await expect(makeEmojiData(join(root, 'mine'), { classes, icons })).rejects.toThrow(/mine exists but/);
    expect(readdirSync(join(root, 'mine'))).toEqual(['thesis.txt']);
  });

  it('has every icon of the demo’s 28 classes', async () => {
    const out = join(root, 'full');
    await makeEmojiData(out);
    const data = await loadDataset(nodePlatform, out);
    expect([data.classNames.length, data.train.length, data.test.length]).toEqual([28, 471, 312]);
    const domain = JSON.parse(readFileSync(join(emojiClipFolder(), 'domain.json'), 'utf8')) as {
      class: string;
    }[];
    expect(data.classNames).toEqual(domain.map((emoji) => emoji.class));
  }, 60_000);
});
