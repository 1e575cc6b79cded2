import { describe, expect, it } from 'vitest';
import { formatSummary } from '../../../cli/terminal/reproduceTable.js';
import { parsePreset } from '../../../models/reproduce/preset.js';
import { summarize } from '../../../models/reproduce/summary.js';

const accuracy = (base: number, novel: number) => ({
  base,
  novel,
  harmonicMean: (2 * base * novel) / (base + novel),
  all: (base + novel) / 4,
  images: { base: 10, novel: 10 },
});
const trial = (dataset: string, seed: number, base: number, novel: number) => ({
  dataset,
  seed,
  student: accuracy(base, novel),
  teacher: accuracy(novel, base),
});

describe('a summary', () => {
  const preset = parsePreset(
    [
      'description: d',
      'setting: base-to-novel',
      'published:',
      '  source: somewhere',
      '  student: { EuroSAT: [97, 82, 88.87], UCF101: [80, 70, 74.67] }',
      '  teacher: { EuroSAT: [95, 83, 88.6] }',
    ].join('\n'),
    'p.yaml',
  );

  it('has means over seeds and the harmonic mean of those means', () => {
    const { rows, average } = summarize(preset, [trial('EuroSAT', 1, 90, 60), trial('EuroSAT', 2, 70, 20)]);
    expect(average).toBeUndefined();
    expect(rows).toHaveLength(1);
    expect(rows[0]).toMatchObject({ dataset: 'EuroSAT', seeds: [1, 2] });
    // 2 * 80 * 40 / 120; the mean of the seeds' own harmonic means would be 51.6.
    expect(rows[0]!.student.ours.harmonicMean).toBeCloseTo(53.333, 3);
    expect(rows[0]!.student.ours).toMatchObject({ base: 80, novel: 40 });
    expect(rows[0]!.student.difference).toMatchObject({ base: -17, novel: -42 });
    expect(rows[0]!.teacher.difference).toMatchObject({ base: -55, novel: -3 });
  });

  it('averages over data sets, and the paper only over the same ones', () => {
    const { average } = summarize(preset, [trial('EuroSAT', 1, 90, 60), trial('UCF101', 1, 70, 50)]);
    expect(average!.student.ours).toMatchObject({ base: 80, novel: 55 });
    expect(average!.student.ours.harmonicMean).toBeCloseTo((2 * 80 * 55) / 135, 6);
    expect(average!.student.paper).toMatchObject({ base: 88.5, novel: 76 });
    // The paper has no teacher for one of them here.
    expect(average!.teacher.paper).toBeUndefined();
  });

  it('is a table with the paper beside it', () => {
    const text = formatSummary(summarize(preset, [trial('EuroSAT', 1, 98, 60)]));
    const cells = text
      .split('\n')
      .find((line) => line.includes('EuroSAT'))!
      .split('│')
      .map((cell) => cell.trim())
      .filter(Boolean);
    expect(cells).toEqual([
      'EuroSAT',
      '98.00',
      '97.00',
      '+1.00',
      '60.00',
      '82.00',
      '-22.00',
      '74.43',
      '88.87',
      '-14.44',
    ]);
  });

  it('is one number a data set in the cross-dataset setting', () => {
    const cross = parsePreset(
      'description: d\nsetting: cross-dataset\nsource: ImageNet\npublished:\n  source: s\n  student: { EuroSAT: 63.74 }\n',
      'p.yaml',
    );
    const { rows } = summarize(cross, [trial('EuroSAT', 1, 90, 70), trial('EuroSAT', 2, 90, 50)]);
    expect(rows[0]!.student.ours).toEqual({ all: 37.5 });
    expect(rows[0]!.student.difference!.all).toBeCloseTo(-26.24, 6);
    expect(rows[0]!.teacher.paper).toBeUndefined();
  });
});
