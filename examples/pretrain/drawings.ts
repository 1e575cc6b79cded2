/** The training data: emoji drawn once from icon packages, with their names and, where they have one, their class. */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import sharp from 'sharp';
import { type EmojiClass, emojiClipFolder, type IconSet } from '../../cli/demo/emoji.js';
import { UserError } from '../../engine/index.js';
import type { RgbImage } from '../../models/images/types.js';
import type { ProgressBar } from '../../models/job.js';

/** A drawn emoji. */
export interface Drawing {
  readonly name: string;
  readonly style: string;
  /** Index of its class; undefined for emoji of no class. */
  readonly label?: number;
  readonly image: RgbImage;
}

/** What to draw, before it is drawn. */
export type Subject = Omit<Drawing, 'image'>;

/** As the demo draws them: `EDGE` pixels, on white. */
const EDGE = 64;
const PARALLEL = 8;

/** The style that no model sees in training: the demo's. */
export const UNSEEN_STYLE = 'fluent-emoji-flat';

/** The classes of emoji-clip/domain.json, in label order. */
export async function readClasses(): Promise<EmojiClass[]> {
  return JSON.parse(await readFile(`${emojiClipFolder()}/domain.json`, 'utf8')) as EmojiClass[];
}

/** The icons of a style. @throws UserError when its package is not installed */
export async function readIcons(style: string): Promise<IconSet> {
  let path: string;
  try {
    path = createRequire(import.meta.url).resolve(`@iconify-json/${style}/icons.json`);
  } catch {
    throw new UserError(
      `the npm package @iconify-json/${style} is not installed`,
      'run npm install in examples/pretrain',
    );
  }
  return JSON.parse(await readFile(path, 'utf8')) as IconSet;
}

/** Variants of people and flags: hundreds of drawings that differ in a detail. */
const LEFT_OUT =
  /skin-tone|-tone\d|^flag-|^keycap|^(man|woman|men|women|person|people|family|couple|kiss|two)-/;

/**
 * Every emoji of a class in every style that has it, then those of no class that all styles have.
 *
 * @param icons the icons of each style
 */
export function listSubjects(icons: ReadonlyMap<string, IconSet>, classes: readonly EmojiClass[]): Subject[] {
  const labels = new Map<string, number>();
  classes.forEach(({ train, test }, label) => {
    for (const name of [...train, ...test]) labels.set(name, label);
  });
  const styles = new Map<string, string[]>();
  for (const [style, set] of icons)
    for (const name of Object.keys(set.icons)) styles.set(name, [...(styles.get(name) ?? []), style]);
  const named = [...styles].sort(([a], [b]) => (a < b ? -1 : 1));
  return [
    ...named.filter(([name]) => labels.has(name)),
    ...named.filter(
      ([name, found]) => !labels.has(name) && found.length === icons.size && !LEFT_OUT.test(name),
    ),
  ].flatMap(([name, found]) => found.map((style) => ({ name, style, label: labels.get(name) })));
}

/** Draws subjects, in their order. */
export async function draw(
  subjects: readonly Subject[],
  icons: ReadonlyMap<string, IconSet>,
  bar: ProgressBar,
): Promise<Drawing[]> {
  const drawings: Drawing[] = new Array(subjects.length);
  let done = 0;
  const queue = subjects.entries();
  const worker = async () => {
    for (const [i, subject] of queue) {
      drawings[i] = { ...subject, image: await drawIcon(icons.get(subject.style)!, subject.name) };
      bar.update(++done);
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, worker));
  return drawings;
}

async function drawIcon(set: IconSet, name: string): Promise<RgbImage> {
  const icon = set.icons[name]!;
  const [width, height] = [icon.width ?? set.width ?? 16, icon.height ?? set.height ?? 16];
  const svg =
    `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" ` +
    `width="${EDGE}" height="${EDGE}" ` +
    `viewBox="0 0 ${width} ${height}">${icon.body}</svg>`;
  const pixels = sharp(Buffer.from(svg)).flatten({ background: '#ffffff' }).removeAlpha().raw();
  return { width: EDGE, height: EDGE, data: new Uint8Array(await pixels.toBuffer()) };
}
