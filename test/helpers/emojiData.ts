import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type EmojiClass, emojiClipFolder, makeEmojiData } from '../../cli/demo/emoji.js';

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
