/** Draws the demo's data set: emoji in a style that the built-in models have not seen, in class folders. */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import sharp from 'sharp';
import { UserError } from '../../engine/errors.js';
import { packageFolder } from '../platform/packageFolder.js';

/** Edge of the pictures in pixels; the models take 48, which leaves room for crops. */
const EDGE = 64;
const ICONS = '@iconify-json/fluent-emoji-flat';
/** Pictures drawn at the same time: enough to keep sharp's threads busy. */
const PARALLEL = 8;

/** The folder `emoji-clip/` of this package, with `teacher/`, `student/` and `domain.json`. */
export const emojiClipFolder = (): string => packageFolder('emoji-clip', 'domain.json');

/** A class of the demo and its icons. Labels follow the order of classes; the first half are base classes. */
export interface EmojiClass {
  readonly class: string;
  readonly train: string[];
  readonly test: string[];
}

/** The part of Iconify's JSON format that is used: SVG bodies with the size of their view box. */
export interface IconSet {
  readonly width?: number;
  readonly height?: number;
  readonly icons: Record<string, { body: string; width?: number; height?: number }>;
}

/** What to draw. */
export interface EmojiOptions {
  /** Called after every picture. */
  readonly progress?: (done: number, total: number) => void;
  /** Default: `emoji-clip/domain.json`. */
  readonly classes?: readonly EmojiClass[];
  /** Default: the icons of the npm package. */
  readonly icons?: IconSet;
}

/**
 * Draws `<out>/<train or test>/<class>/<icon>.png` (64 x 64, white background) and writes `<out>/classnames.txt`, unless they
 * exist. Everything is drawn into a temporary folder and then renamed, so `out` is never incomplete.
 *
 * @throws UserError naming an icon that does not exist, or `out` if it holds something else
 */
export async function makeEmojiData(out: string, options: EmojiOptions = {}): Promise<void> {
  const classes = options.classes ?? (await readJson<EmojiClass[]>(join(emojiClipFolder(), 'domain.json')));
  const pictures = classes.flatMap((emoji) =>
    (['train', 'test'] as const).flatMap((part) =>
      emoji[part].map((icon) => ({ icon, path: join(part, folderName(emoji.class), `${icon}.png`) })),
    ),
  );
  const files = ['classnames.txt', ...pictures.map(({ path }) => path)].sort();
  if (await isThere(out, files)) return;

  const icons = options.icons ?? (await loadIcons());
  for (const { icon } of pictures)
    if (!Object.hasOwn(icons.icons, icon))
      throw new UserError(
        `${ICONS} has no icon "${icon}"`,
        'run npm install to get the version in package.json',
      );
  const temporary = `${out}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    for (const folder of new Set(pictures.map(({ path }) => dirname(path))))
      await mkdir(join(temporary, folder), { recursive: true });
    await writeFile(
      join(temporary, 'classnames.txt'),
      classes.map((emoji) => `${folderName(emoji.class)}\n`).join(''),
    );
    let done = 0;
    const queue = pictures.values();
    const worker = async () => {
      for (const { icon, path } of queue) {
        await writeFile(join(temporary, path), await drawIcon(icons, icon));
        options.progress?.(++done, pictures.length);
      }
    };
    // If one fails, wait for the others too before the folder is removed.
    const ends = await Promise.allSettled(Array.from({ length: PARALLEL }, worker));
    for (const end of ends) if (end.status === 'rejected') throw end.reason;
    await rename(temporary, out).catch(async (error) => {
      // Another process may have been faster, with the same pictures.
      if (!(await isThere(out, files))) throw error;
    });
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

/** Draws an icon as a PNG, its view box fitted into the square and centred. */
async function drawIcon(set: IconSet, name: string): Promise<Buffer> {
  const icon = set.icons[name]!;
  const width = icon.width ?? set.width ?? 16;
  const height = icon.height ?? set.height ?? 16;
  const svg =
    `<svg xmlns="http://www.w3.org/2000/svg" width="${EDGE}" height="${EDGE}" ` +
    `viewBox="0 0 ${width} ${height}">${icon.body}</svg>`;
  return sharp(Buffer.from(svg)).flatten({ background: '#ffffff' }).removeAlpha().png().toBuffer();
}

/**
 * True if `out` holds exactly these files, false if there is nothing yet.
 *
 * @throws UserError for anything else
 */
async function isThere(out: string, files: readonly string[]): Promise<boolean> {
  if (!existsSync(out)) return false;
  const found = (await readdir(out, { recursive: true, withFileTypes: true }).catch(() => undefined))
    ?.filter((entry) => entry.isFile() && !entry.name.startsWith('.'))
    .map((entry) => join(entry.parentPath, entry.name).slice(join(out, '/').length))
    .sort();
  if (found?.length === 0) return false;
  if (found && found.length === files.length && found.every((file, i) => file === files[i])) return true;
  throw new UserError(
    `${out} exists but is not the demo's data set`,
    'give another --out FOLDER, or delete it',
  );
}

async function loadIcons(): Promise<IconSet> {
  let path: string;
  try {
    path = createRequire(import.meta.url).resolve(`${ICONS}/icons.json`);
  } catch {
    throw new UserError(`the npm package ${ICONS} is not installed`, 'run npm install');
  }
  return readJson<IconSet>(path);
}

async function readJson<T>(path: string): Promise<T> {
  return JSON.parse(await readFile(path, 'utf8')) as T;
}

/** Spaces become underscores; loading class folders reverses that. */
function folderName(name: string): string {
  return name.replaceAll(' ', '_');
}
