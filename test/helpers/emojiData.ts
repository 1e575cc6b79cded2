import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type EmojiClass, emojiClipFolder, makeEmojiData } from '../../cli/demo/emoji.js';
import { nodePlatform } from '../../cli/platform/node.js';
import { loadDataset } from '../../models/datasets/loadDataset.js';

/** The models that come with the package. */
export const emojiTeacher = join(emojiClipFolder(), 'teacher');
export const emojiStudent = join(emojiClipFolder(), 'student');

/** The first `classes` classes of the demo with `train` and `test` images each. */
export function fewEmoji({ classes = 4, train = 4, test = 2 } = {}): EmojiClass[] {
  const all = JSON.parse(readFileSync(join(emojiClipFolder(), 'domain.json'), 'utf8')) as EmojiClass[];
  return all.slice(0, classes).map((emoji) => ({
    class: emoji.class,
    train: emoji.train.slice(0, train),
    test: emoji.test.slice(0, test),
  }));
}

/** Draws a small data set at `folder`; returns it. */
export async function drawFewEmoji(folder: string, classes = fewEmoji()): Promise<string> {
  await makeEmojiData(folder, { classes });
  return folder;
}

/** Emoji in EuroSAT's folders, and in those of Caltech101: `ROOT/<folder>/<images>/train/<class>/...`. */
export async function drawKnownEmoji(root: string): Promise<string> {
  const drawn = join(root, '.drawn');
  const emoji = fewEmoji({ classes: 4, train: 4, test: 2 });
  const data = await loadDataset(nodePlatform, await drawFewEmoji(drawn, emoji));
  const rows = (items: { path: string; label: number }[]) =>
    items.map(({ path, label }) => [path.slice(drawn.length + 1), label, data.classNames[label]]);
  const split = { train: rows(data.train), val: rows(data.test), test: rows(data.test) };
  for (const [name, images] of [
    ['eurosat/split_zhou_EuroSAT.json', 'eurosat/2750'],
    ['caltech-101/split_zhou_Caltech101.json', 'caltech-101/101_ObjectCategories'],
  ]) {
    cpSync(drawn, join(root, images!), { recursive: true });
    writeFileSync(join(root, name!), JSON.stringify(split));
  }
  return root;
}
