/** Test images as pictures: those of which a model is surest and least sure, and its surest mistakes. */
import { percent } from '../models/numbers.js';
import type { Platform } from '../models/platform.js';
import type { Outcome } from '../models/promptkd/use/outcomes.js';
import { escapeHtml, section } from './page.js';

/** A small JPEG of an image file; undefined where it cannot be made. */
export type Thumbnails = (path: string) => Promise<Uint8Array | undefined>;

/** Pictures of a kind. */
const SHOWN = 6;
/** Width of a picture in pixels: a card of the page is about as wide on a screen of double density. */
const EDGE = 192;

/** Makes pictures, or nothing on a platform that makes none. A file that cannot be read has no picture. */
export function thumbnailsOf(platform: Platform): Thumbnails | undefined {
  const make = platform.thumbnail?.bind(platform);
  return make && ((path) => make(path, EDGE).catch(() => undefined));
}

/** The groups of pictures; nothing where there are no thumbnails. */
export async function photoSection(
  {
    classNames,
    images,
    thumbnail,
  }: {
    readonly classNames: readonly string[];
    readonly images: readonly { readonly path: string }[];
    readonly thumbnail?: Thumbnails;
  },
  { outcomes }: { readonly outcomes: readonly Outcome[] },
  of = '',
): Promise<string> {
  if (!thumbnail) return '';
  const groups = await Promise.all(
    Object.entries(chosenImages(outcomes)).map(async ([title, chosen]) => {
      if (chosen.length === 0) return '';
      const pictures = await Promise.all(chosen.map(({ index }) => thumbnail(images[index]!.path)));
      const cards = chosen.map((outcome, i) => card(outcome, classNames, pictures[i]));
      return `<h3>${title}</h3><ul class="photos">${cards.join('')}</ul>`;
    }),
  );
  const about = 'Under each: its class, and the three most likely of all classes with their probabilities.';
  return section(`Images${of}`, about, groups.join(''));
}

/** The images of which the answer is surest (right or wrong) and least sure. Of equal ones the first in the list. */
export function chosenImages(
  outcomes: readonly Outcome[],
  count = SHOWN,
): Readonly<Record<string, readonly Outcome[]>> {
  const sure = [...outcomes].sort(
    (a, b) => b.top[0]!.probability - a.top[0]!.probability || a.index - b.index,
  );
  const right = ({ label, predicted }: Outcome) => label === predicted;
  return {
    'Surest, and right': sure.filter(right).slice(0, count),
    'Surest mistakes': sure.filter((outcome) => !right(outcome)).slice(0, count),
    'Least sure': sure.slice(-count).reverse(),
  };
}

function card(
  { label, top }: Outcome,
  classNames: readonly string[],
  picture: Uint8Array | undefined,
): string {
  const name = escapeHtml(classNames[label]!);
  const image = picture
    ? `<img alt="${name}" src="data:image/jpeg;base64,${base64(picture)}"/>`
    : '<span class="same">cannot be shown</span>';
  const guesses = top.map(
    (guess) =>
      `<div${guess.label === label ? ' class="right"' : ''}><span>${escapeHtml(classNames[guess.label]!)}</span>` +
      `<span>${percent(guess.probability, 1)}</span></div>`,
  );
  return `<li>${image}<div class="name">${name}</div>${guesses.join('')}</li>`;
}

/** Base64 without Node's Buffer. */
function base64(bytes: Uint8Array): string {
  let text = '';
  for (let start = 0; start < bytes.length; start += 0x8000)
    text += String.fromCharCode(...bytes.subarray(start, start + 0x8000));
  return btoa(text);
}
