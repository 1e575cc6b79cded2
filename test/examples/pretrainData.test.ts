/** The data of examples/pretrain: what is drawn, said, excluded and augmented. */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { emojiClipFolder, type IconSet } from '../../cli/demo/emoji.js';
import { nodePlatform } from '../../cli/platform/node.js';
import { UserError } from '../../engine/errors.js';
import { randomView, render, type View } from '../../examples/pretrain/augment.js';
import { Captions, spoken, TEMPLATES } from '../../examples/pretrain/captions.js';
import { draw, listSubjects, readIcons } from '../../examples/pretrain/drawings.js';
import { exclusions, Pairs } from '../../examples/pretrain/pairs.js';
import { rateOf } from '../../examples/pretrain/pretrain.js';
import { clipConfig, MODELS } from '../../examples/pretrain/settings.js';
import { loadCheckpoint } from '../../models/checkpoints/load.js';
import { loadTokenizer } from '../../models/clip/tokenizerFile.js';
import { denormalise } from '../../models/images/preprocess.js';
import type { RgbImage } from '../../models/images/types.js';
import { Random } from '../../models/random.js';
import { syntheticImage } from '../helpers/syntheticImage.js';

const square = { body: '<path fill="#f00" d="M0 0h32v16H0z"/>' };
const icons = new Map<string, IconSet>([
  ['one', { width: 32, height: 32, icons: { cat: square, dog: square, sun: square, 'man-bald': square } }],
  ['two', { width: 32, height: 32, icons: { cat: square, sun: square, moon: square, 'man-bald': square } }],
]);
const classes = [{ class: 'mammal', train: ['cat'], test: ['dog', 'cow'] }];

const render48 = (image: RgbImage, view: View, size: number) => {
  const planes = new Float32Array(3 * size * size);
  render(image, view, size, planes, 0);
  return [...denormalise(planes)];
};
const PLAIN = [1, 0, 0, 0, 1, 0, 0, 0, 1];

describe('drawings', () => {
  it('are all of a class, and others that all styles share, without people', () => {
    expect(listSubjects(icons, classes).map(({ name, style, label }) => [name, style, label])).toEqual([
      ['cat', 'one', 0],
      ['cat', 'two', 0],
      ['dog', 'one', 0],
      ['sun', 'one', undefined],
      ['sun', 'two', undefined],
    ]);
  });

  it('are 64 x 64 on white, in order', async () => {
    const counts: number[] = [];
    const bar = { update: (done: number) => counts.push(done), end: () => {} };
    const drawings = await draw(listSubjects(icons, classes), icons, bar);
    expect(counts).toEqual([1, 2, 3, 4, 5]);
    const { image, ...rest } = drawings[2]!;
    expect(rest).toEqual({ name: 'dog', style: 'one', label: 0 });
    expect([image.width, image.height, image.data.length]).toEqual([64, 64, 64 * 64 * 3]);
    expect([...image.data.subarray(0, 3)]).toEqual([255, 0, 0]);
    expect([...image.data.subarray(-3)]).toEqual([255, 255, 255]);
  });

  it('need their package', async () => {
    await expect(readIcons('no-such-style')).rejects.toThrow(UserError);
  });
});

describe('captions', () => {
  it('say a subject in five ways, and leave out what is too long', async () => {
    const tokenizer = await loadTokenizer(nodePlatform, join(emojiClipFolder(), 'teacher'));
    const long = 'counterclockwise arrows button of the bellhop';
    const captions = new Captions(tokenizer, [spoken('hot-beverage'), 'bird', long]);
    expect([captions.has('hot beverage'), captions.has('bird'), captions.has(long)]).toEqual([
      true,
      true,
      false,
    ]);
    TEMPLATES.forEach((template, i) => {
      const expected = tokenizer.tokenize(template.replace('{}', 'bird'), 32);
      const tokens = captions.tokens('bird', i);
      expect([...tokens]).toEqual([...expected.subarray(0, captions.length)]);
      expect(tokens).toContain(tokenizer.endOfText);
    });
    expect(() => new Captions(tokenizer, [long])).toThrow(UserError);
  });
});

describe('pairs', () => {
  it('exclude captions that are true of another drawing, by hand', () => {
    const drawings = [['cat', 'mammal'], ['cat', 'mammal'], ['bird', 'bird'], ['owl', 'bird'], ['sun']];
    // "Cat" is true of both cats, "mammal" of every mammal, and "bird" of the owl, be it said as a name or as a class.
    const n = -1e4;
    expect([...exclusions(drawings, ['cat', 'mammal', 'bird', 'owl', 'sun'])]).toEqual([
      ...[0, n, 0, 0, 0],
      ...[n, 0, 0, 0, 0],
      ...[0, 0, 0, 0, 0],
      ...[0, 0, n, 0, 0],
      ...[0, 0, 0, 0, 0],
    ]);
  });

  it('come in an order and under views that depend on seed and epoch alone', async () => {
    const tokenizer = await loadTokenizer(nodePlatform, join(emojiClipFolder(), 'teacher'));
    const drawings = Array.from({ length: 7 }, (_, i) => ({
      name: `bird-${'abcdefg'[i]}`,
      style: 'one',
      ...(i % 2 === 0 && { label: 0 }),
      image: syntheticImage(16, 16, i + 1),
    }));
    const subjects = [...drawings.map(({ name }) => spoken(name)), 'bird'];
    const captions = new Captions(tokenizer, subjects);
    const options = { batch: 3, seed: 5, size: 8, nameShare: 0.5, cropEdge: 0.7 };
    const batchesOf = async (epoch: number, seed = 5) => {
      const pairs = new Pairs(drawings, ['bird'], captions, { ...options, seed });
      expect(pairs.batchesPerEpoch).toBe(2);
      const found = [];
      for await (const batch of pairs.epoch(epoch)) found.push(batch);
      return found;
    };
    const first = await batchesOf(1);
    expect(first).toEqual(await batchesOf(1));
    expect(first).not.toEqual(await batchesOf(2));
    expect(first).not.toEqual(await batchesOf(1, 6));
    for (const { images, tokens, endRows } of first) {
      expect(images.length).toBe(3 * 3 * 8 * 8);
      endRows.forEach((row, i) => {
        expect(Math.floor(row / captions.length)).toBe(i);
        expect(tokens[row]).toBe(tokenizer.endOfText);
      });
    }
    expect(() => new Pairs(drawings, ['bird'], captions, { ...options, batch: 8 })).toThrow(UserError);
  });
});

describe('a batch of pairs', () => {
  it('excludes what is said as a name and is true as a class', async () => {
    const tokenizer = await loadTokenizer(nodePlatform, join(emojiClipFolder(), 'teacher'));
    const image = syntheticImage(16, 16, 1);
    const drawings = [
      { name: 'grey-owl', style: 'one', label: 0, image },
      { name: 'bird', style: 'one', image },
      { name: 'hot-beverage', style: 'one', image },
    ];
    const captions = new Captions(tokenizer, ['grey owl', 'bird', 'hot beverage']);
    const options = { batch: 3, seed: 1, size: 8, nameShare: 0, cropEdge: 0.7 };
    const found = [];
    for await (const { excluded } of new Pairs(drawings, ['bird'], captions, options).epoch(1))
      found.push(excluded);
    expect(found.length).toBe(1);
    // The owl is captioned "bird" by its class, the bird by its name: each caption is true of both.
    expect(found[0]!.filter((v) => v !== 0)).toEqual(Float32Array.of(-1e4, -1e4));
  });
});

describe('augmentation', () => {
  const image = syntheticImage(5, 5, 3);

  it('gives the bytes back under the plain view, and white outside', () => {
    expect(render48(image, { map: [0, 1, 0, 0, 0, 1], inks: PLAIN }, 5)).toEqual([...image.data]);
    expect(render48(image, { map: [5, 1, 0, 0, 0, 1], inks: PLAIN }, 5)).toEqual(new Array(75).fill(255));
  });

  it('mirrors, and averages between pixels, by hand', () => {
    const two = { width: 2, height: 1, data: Uint8Array.of(11, 20, 30, 51, 100, 150) };
    expect(render48(two, { map: [1, -1, 0, 0, 0, 5], inks: PLAIN }, 2).slice(0, 6)).toEqual([
      ...[51, 100, 150],
      ...[11, 20, 30],
    ]);
    // A quarter of the way from the first pixel to the second, then where half of the second lies outside, on white.
    const between = render48(two, { map: [0.25, 1.25, 0, 0, 0, 5], inks: PLAIN }, 2);
    expect(between.slice(0, 3)).toEqual([21, 40, 60]);
    expect(between[3]).toBe(153);
  });

  it('keeps paper white and grey grey under random views', () => {
    const random = new Random(7);
    const flat = (value: number) => ({ width: 9, height: 9, data: new Uint8Array(243).fill(value) });
    for (let i = 0; i < 20; i++) {
      const view = randomView(random, { size: 6, width: 9, height: 9 }, 0.7);
      expect(render48(flat(255), view, 6)).toEqual(new Array(108).fill(255));
      const pixels = render48(flat(90), view, 6);
      for (let p = 0; p < 36; p++)
        expect(
          Math.max(...pixels.slice(p * 3, p * 3 + 3)) - Math.min(...pixels.slice(p * 3, p * 3 + 3)),
        ).toBeLessThan(2);
    }
  });
});

describe('the learning rate', () => {
  it('rises for the warm-up and follows a cosine to nearly nothing, by hand', () => {
    const settings = { learningRate: 0.9, warmupEpochs: 2, epochs: 6 };
    const expected = [0.3, 0.6, 0.9, 0.45 * (1 + Math.SQRT1_2), 0.45, 0.45 * (1 - Math.SQRT1_2)];
    expected.forEach((rate, i) => {
      expect(rateOf(settings, i + 1)).toBeCloseTo(rate, 12);
    });
  });
});

describe('sizes', () => {
  it('teacher and student have the shapes of the bundled pair, which they may replace', async () => {
    for (const model of ['teacher', 'student'] as const) {
      const { config } = await loadCheckpoint(nodePlatform, join(emojiClipFolder(), model));
      expect(clipConfig(MODELS[model], 1024)).toEqual(config);
    }
  });
});
