/**
 * Everything for runs that take a second: two CLIPs with random weights and a few drawn images in the folders of EuroSAT,
 * so that `teacher`, `distill` and `reproduce` all run on them.
 */
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { emojiClipFolder } from '../../cli/demo/emoji.js';
import { Random } from '../../models/random.js';
import { randomClip } from './randomClip.js';
import { syntheticImage } from './syntheticImage.js';

export interface TinyWorld {
  readonly teacherClip: string;
  readonly studentClip: string;
  /** The folder that holds the data set, as `reproduce` wants it. */
  readonly root: string;
  /** The data set itself: a known one, named EuroSAT. */
  readonly data: string;
  readonly classNames: readonly string[];
}

const TOKENS = { vocabulary: 1024, contextLength: 32 };
export const CLASS_NAMES = ['acorn', 'bridge', 'candle', 'drum'] as const;

/** A CLIP of one block with random weights, and a tokenizer beside it; `resolution` in pixels. */
export function writeTinyClip(folder: string, embed: number, seed: number, resolution = 16): string {
  const random = Random.of(seed, 'tiny clip');
  const normal = (count: number, scale = 1) =>
    Float32Array.from({ length: count }, () => random.normal() * scale);
  const size = { embed, width: 64, layers: 1, textLayers: 1, patch: 8, resolution, ...TOKENS };
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'model.safetensors'), randomClip(normal, size).file);
  copyFileSync(join(emojiClipFolder(), 'teacher', 'tokenizer.json'), join(folder, 'tokenizer.json'));
  return folder;
}

/** @param images of each class: for training, and for tests */
export async function makeTinyWorld(
  folder: string,
  { train = 4, test = 2, seed = 1 } = {},
): Promise<TinyWorld> {
  const root = join(folder, 'datasets');
  const data = join(root, 'eurosat');
  const split: Record<'train' | 'val' | 'test', (readonly [string, number, string])[]> = {
    train: [],
    val: [],
    test: [],
  };
  for (const [label, name] of CLASS_NAMES.entries()) {
    mkdirSync(join(data, '2750', name), { recursive: true });
    for (let i = 0; i < train + test; i++) {
      const image = syntheticImage(20 + (i % 5), 18 + (i % 3), 100 * seed + 10 * label + i + 1);
      const raw = { width: image.width, height: image.height, channels: 3 } as const;
      const path = `${name}/${i}.png`;
      await sharp(image.data, { raw })
        .png()
        .toFile(join(data, '2750', path));
      for (const part of i < train ? (['train'] as const) : (['val', 'test'] as const))
        split[part].push([path, label, name]);
    }
  }
  writeFileSync(join(data, 'split_zhou_EuroSAT.json'), JSON.stringify(split));
  return {
    teacherClip: writeTinyClip(join(folder, 'teacher-clip'), 32, seed),
    studentClip: writeTinyClip(join(folder, 'student-clip'), 16, seed + 1),
    root,
    data,
    classNames: CLASS_NAMES,
  };
}
