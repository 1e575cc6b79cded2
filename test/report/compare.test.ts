import { describe, expect, it } from 'vitest';
import type { Outcome } from '../../models/promptkd/use/outcomes.js';
import { type ComparedRun, compareRuns } from '../../report/compare.js';
import { compareHtml, probability } from '../../report/compareReport.js';
import { expectOffline, expectWellFormed } from '../helpers/html.js';

const outcomes = (right: string): Outcome[] =>
  [...right].map((one, index) => {
    const predicted = one === '1' ? 0 : 1;
    return { index, label: 0, predicted, within: predicted, top: [{ label: predicted, probability: 0.5 }] };
  });

const run = (name: string, config: string, base: number, novel: number, right: string): ComparedRun => ({
  ...{ name, outcomes: outcomes(right) },
  accuracy: {
    base,
    novel,
    harmonicMean: (2 * base * novel) / (base + novel),
    all: base,
    images: { base: 1, novel: 1 },
  },
  record: {
    config,
    metrics: [
      { epoch: 1, step: 1, loss: 9 },
      { epoch: 2, step: 1, loss: base / 10 },
    ],
    timing: [{ imagesPerSecond: 10 }, { imagesPerSecond: 30 }, {}],
  },
});

const runs = [
  run('a', 'epochs: 2\nseed: 1\nteacher: x\n', 60, 80, '1111111100'),
  run('b', 'epochs: 2\nseed: 2\nteacher: y\n', 70, 90, '1111100011'),
  run('c', 'epochs: 4\nseed: 1\n', 50, 50, '0000000011'),
];

describe('compareRuns', () => {
  const found = compareRuns(runs);
  it('averages runs that differ only in their seed, with sample deviations', () => {
    expect(found.rows.map(({ name, group }) => [name, group])).toEqual([
      ['a', 0],
      ['b', 0],
      ['c', undefined],
    ]);
    const [{ mean, deviation }] = found.groups as [(typeof found.groups)[0]];
    expect(found.groups).toHaveLength(1);
    expect(mean).toMatchObject({ base: 65, novel: 85, loss: 6.5, imagesPerSecond: 20 });
    expect(mean.harmonicMean).toBeCloseTo((2 * 65 * 85) / 150, 12);
    expect(deviation.base).toBeCloseTo(Math.sqrt(50), 12);
  });

  it('tests each pair, and corrects for their number', () => {
    expect(found.tests.map(({ first, second }) => first + second)).toEqual(['ab', 'ac', 'bc']);
    // a, c: 8 images right in a alone, 2 in c alone: 2 (1 + 10 + 45) / 1024.
    expect(found.tests[1]).toMatchObject({ onlyFirst: 8, onlySecond: 2 });
    expect(found.tests[1]!.p).toBeCloseTo(112 / 1024, 12);
    // b, c: 5 and 0: 2 / 32, the smallest of three.
    expect(found.tests[2]!.p).toBeCloseTo(1 / 16, 12);
    expect(found.tests[2]!.adjusted).toBeCloseTo(3 / 16, 12);
  });

  it('names the settings that differ', () => {
    expect(found.settings).toEqual([
      { field: 'epochs', values: [2, 2, 4] },
      { field: 'seed', values: [1, 2, 1] },
      { field: 'teacher', values: ['x', 'y', undefined] },
    ]);
  });

  it('is a page that loads nothing', async () => {
    const html = await compareHtml({ data: 'pets', adapter: 'x', runs, comparison: found });
    expectOffline(html);
    expectWellFormed(html);
    expect(html).toContain('65.0 ± 7.1');
    expect(html).toContain(`<td>${probability(3 / 16)}</td>`);
    expect(html).not.toMatch(/NaN|undefined/);
  });

  it('takes a single model without a record', () => {
    const { record: _, ...file } = runs[0]!;
    expect(compareRuns([file])).toMatchObject({ groups: [], tests: [], settings: [] });
  });
});
