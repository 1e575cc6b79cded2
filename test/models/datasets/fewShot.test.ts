import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { ImageItem } from '../../../models/datasets/dataset.js';
import { sampleFewShot } from '../../../models/datasets/fewShot.js';
import { parseSplit } from '../../../models/datasets/split.js';
import { trainingPart } from '../../../models/promptkd/stage1/trainingPart.js';
import { describeWithShared, sharedFolder } from '../../helpers/shared.js';

/** Made by test/fixtures/fewshot.py with Python 3.11. */
const fixture: {
  made: Record<string, [number[], number[]]>;
  splits: Record<string, [number, string, number, string]>;
  base: Record<string, [number, string]>;
} = JSON.parse(readFileSync(new URL('../../fixtures/cpython-fewshot.json', import.meta.url), 'utf8'));

describe('few-shot samples of a list made in code', () => {
  const made = (count: number): ImageItem[] =>
    Array.from({ length: count }, (_, i) => ({ path: String(i), label: (i * i + 3) % 7 }));
  const numbers = (items: ImageItem[]) => items.map(({ path }) => Number(path));
  for (const [key, [train, val]] of Object.entries(fixture.made))
    it(`shots/seed ${key}`, () => {
      const [shots, seed] = key.split('/').map(Number) as [number, number];
      const drawn = sampleFewShot({ train: made(120), val: made(23) }, shots, seed);
      expect(numbers(drawn.train)).toEqual(train);
      expect(numbers(drawn.val)).toEqual(val);
    });
});

describeWithShared('data/splits', 'few-shot samples of the published splits', () => {
  const digest = (items: ImageItem[]) => {
    const text = items.map(({ path }) => path).join('\n');
    return createHash('sha256').update(text).digest('hex').slice(0, 16);
  };
  for (const [key, expected] of Object.entries(fixture.splits))
    it(key, () => {
      const [name, shots, seed] = key.split('/');
      const file = `${sharedFolder}/data/splits/split_zhou_${name}.json`;
      const split = parseSplit(readFileSync(file, 'utf8'), file);
      const { train, val } = sampleFewShot(split, Number(shots), Number(seed));
      expect([train.length, digest(train), val.length, digest(val)]).toEqual(expected);
    });

  // What stage 1 is tuned on: drawn from all classes, the base ones chosen afterwards.
  for (const [key, expected] of Object.entries(fixture.base))
    it(`${key}, what the teacher sees of the base classes`, () => {
      const [name, shots, seed] = key.split('/') as [string, string, string];
      const file = `${sharedFolder}/data/splits/split_zhou_${name}.json`;
      const split = { name, ...parseSplit(readFileSync(file, 'utf8'), file) };
      const settings = { shots: Number(shots), seed: Number(seed), data: file };
      const base = trainingPart(split, { ...settings, classes: 'base' });
      expect([base.train.length, digest(base.train)]).toEqual(expected);
      const count = Math.ceil(split.classNames.length / 2);
      expect(base.classNames).toEqual(split.classNames.slice(0, count));
      expect(new Set(base.train.map(({ label }) => label)).size).toBe(count);
    });
});
