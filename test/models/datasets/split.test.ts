/** CoOp's split files, and the halves of a data set's classes. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { nodePlatform as platform } from '../../../cli/platform/node.js';
import { tieNotes } from '../../../models/datasets/classNames.js';
import { baseNovelSplit, selectClasses } from '../../../models/datasets/dataset.js';
import { LAYOUTS } from '../../../models/datasets/layouts.js';
import { loadDataset } from '../../../models/datasets/loadDataset.js';
import { parseSplit } from '../../../models/datasets/split.js';
import { describeWithShared, sharedFolder } from '../../helpers/shared.js';

describe('split files', () => {
  const rows = (...labels: number[]) => labels.map((label, i) => [`d/${i}.jpg`, label, `class_${label}`]);
  const split = (over: object = {}) =>
    JSON.stringify({ train: rows(1, 0, 1), val: rows(0), test: rows(1), ...over });
  const parse = (text: string) => parseSplit(text, 'split.json');

  it('keep order, labels and names', () => {
    expect(parse(split())).toEqual({
      classNames: ['class 0', 'class 1'],
      train: [1, 0, 1].map((label, i) => ({ path: `d/${i}.jpg`, label })),
      val: [{ path: 'd/0.jpg', label: 0 }],
      test: [{ path: 'd/0.jpg', label: 1 }],
    });
  });

  it('say what is wrong', () => {
    expect(() => parse('{')).toThrow(/not valid JSON/);
    expect(() => parse('null')).toThrow(/no list "train"/);
    expect(() => parse(split({ val: {} }))).toThrow(/no list "val"/);
    expect(() => parse(split({ test: [['a.jpg', -1, 'x']] }))).toThrow(/"test" entry 0/);
    expect(() => parse(split({ test: [['a.jpg', 1, 'x']] }))).toThrow(/label 1 is both "class_1" and "x"/);
    expect(() => parse(split({ test: rows(5) }))).toThrow(/label 2 of 3 is not used/);
    expect(() => parse(split({ test: [] }))).toThrow(/"test" is empty/);
  });

  it('note equal names instead of refusing', () => {
    const text = split({ test: [['a.jpg', 2, 'Class 1']] });
    expect(tieNotes(parse(text).classNames)).toEqual([
      'classes 1 and 2 are both called "Class 1" and cannot be told apart',
    ]);
  });
});

describe('classes', () => {
  it('halve as the reference does', () => {
    expect(baseNovelSplit(5)).toEqual({ base: [0, 1, 2], novel: [3, 4] });
    expect(baseNovelSplit(4)).toEqual({ base: [0, 1], novel: [2, 3] });
  });

  it('can be selected and renumbered', () => {
    const items = [0, 1, 2, 1].map((label, i) => ({ path: String(i), label }));
    const data = { name: 'x', classNames: ['a', 'b', 'c'], train: items, test: items };
    expect(selectClasses(data, [2, 1])).toMatchObject({
      classNames: ['c', 'b'],
      train: [
        { path: '1', label: 1 },
        { path: '2', label: 0 },
        { path: '3', label: 1 },
      ],
    });
  });
});

describeWithShared('data', 'published data', () => {
  /** Classes, base, novel; images to train on, of base classes to test on, of novel ones (the paper's table 8). */
  const sizes = {
    DescribableTextures: [47, 24, 23, 2820, 864, 828],
    OxfordFlowers: [102, 51, 51, 4093, 1053, 1410],
    OxfordPets: [37, 19, 18, 2944, 1881, 1788],
    StanfordCars: [196, 98, 98, 6509, 4002, 4039],
    UCF101: [101, 51, 50, 7639, 1934, 1849],
  };
  for (const [name, expected] of Object.entries(sizes))
    it(name, () => {
      const file = `${sharedFolder}/data/splits/split_zhou_${name}.json`;
      const data = { name, ...parseSplit(readFileSync(file, 'utf8'), file) };
      expect(LAYOUTS.some((layout) => layout.name === name)).toBe(true);
      const halves = baseNovelSplit(data.classNames.length);
      const [base, novel] = [selectClasses(data, halves.base), selectClasses(data, halves.novel)];
      expect([
        data.classNames.length,
        base.classNames.length,
        novel.classNames.length,
        data.train.length,
        base.test.length,
        novel.test.length,
      ]).toEqual(expected);
    });

  it('small copies load from their folders', async () => {
    const caltech = await loadDataset(platform, `${sharedFolder}/data/caltech101-mini`);
    expect([caltech.name, caltech.classNames.length, caltech.train.length]).toEqual(['Caltech101', 100, 300]);
    expect(caltech.classNames.slice(0, 3)).toEqual(['face', 'leopard', 'motorbike']);
    const eurosat = await loadDataset(platform, `${sharedFolder}/data/eurosat-mini/eurosat`);
    expect([eurosat.name, eurosat.classNames[0], eurosat.test.length]).toEqual([
      'EuroSAT',
      'Annual Crop Land',
      100,
    ]);
  });
});
