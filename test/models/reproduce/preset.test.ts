import { describe, expect, it } from 'vitest';
import { loadPreset, presetNames } from '../../../cli/options/presets.js';
import { nodePlatform } from '../../../cli/platform/node.js';
import { readSettings } from '../../../cli/settings.js';
import { LAYOUTS } from '../../../models/datasets/layouts.js';
import { parsePreset, presetFields } from '../../../models/reproduce/preset.js';
import { makeFiles, temporaryFolder } from '../../helpers/files.js';

const load = (name: string) => loadPreset(nodePlatform, name);
const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

describe('the presets of the package', () => {
  it('are the two settings, with known data sets only', async () => {
    expect(presetNames()).toEqual(['base-to-novel', 'cross-dataset']);
    const known = LAYOUTS.map(({ name }) => name);
    for (const name of presetNames()) {
      const { setting, datasets, published, source } = await load(name);
      expect(setting).toBe(name);
      const named = [
        ...Object.keys(datasets),
        ...Object.keys(published!.student),
        ...Object.keys(published!.teacher),
        ...(source ? [source] : []),
      ];
      for (const dataset of named) expect(known).toContain(dataset);
    }
    await expect(load('few-shot')).rejects.toThrow(/no preset named "few-shot"/);
  });

  it('have the published weights of the distillation loss', async () => {
    const weight = async (preset: string, dataset: string) =>
      presetFields(await load(preset), 'student', dataset).kdWeight;
    const low = ['OxfordFlowers', 'FGVCAircraft', 'DescribableTextures'];
    for (const { name } of LAYOUTS) {
      expect(await weight('base-to-novel', name)).toBe(low.includes(name) ? 200 : 1000);
      expect(await weight('cross-dataset', name)).toBe(1000);
    }
  });

  it('have numbers whose means are the published averages', async () => {
    const base = (await load('base-to-novel')).published!;
    const column = (part: 'student' | 'teacher', i: number) =>
      mean(Object.values(base[part]).map((row) => (row as number[])[i]!));
    expect(Object.keys(base.student)).toHaveLength(11);
    // Averages of the paper's table 1.
    expect(column('student', 0)).toBeCloseTo(86.96, 1);
    expect(column('student', 1)).toBeCloseTo(80.73, 1);
    // Two of the printed harmonic means do not follow from the numbers beside them.
    const misprinted = new Set([86.1, 83.13]);
    const rows = [...Object.values(base.student), ...Object.values(base.teacher)];
    for (const [b, n, hm] of rows as [number, number, number][])
      if (!misprinted.has(hm)) expect(Math.abs((2 * b * n) / (b + n) - hm)).toBeLessThan(0.02);
    const cross = (await load('cross-dataset')).published!;
    const ten = Object.entries(cross.student).filter(([name]) => !/^ImageNet/.test(name));
    expect(mean(ten.map(([, value]) => value as number))).toBeCloseTo(71.33, 1);
    const { ImageNet: _, ...targets } = cross.teacher;
    expect(mean(Object.values(targets) as number[])).toBeCloseTo(71.89, 1);
    const variants = Object.entries(cross.student).filter(([name]) => /^ImageNet/.test(name));
    expect(mean(variants.map(([, value]) => value as number))).toBeCloseTo(71.47, 1);
  });
});

describe('a preset', () => {
  const text = (lines: string) => `description: d\nsetting: base-to-novel\n${lines}\n`;
  it('says which field is wrong', () => {
    expect(() => parsePreset(text('teacher: { epochz: 3 }'), 'p.yaml')).toThrow(
      /p\.yaml, teacher: unknown field "epochz"/,
    );
    expect(() => parsePreset(text('datasets: { EuroSAT: { student: { batch: x } } }'), 'p.yaml')).toThrow(
      /p\.yaml, student: batch/,
    );
    expect(() => parsePreset('description: d\nsetting: cross-dataset', 'p.yaml')).toThrow(
      /source is missing/,
    );
  });

  it('comes after flags and file, and before the defaults', async () => {
    const folder = makeFiles(temporaryFolder('preset'), {
      'student.yaml': 'momentum: 0.5\nkdWeight: 7\n',
      'dtd/split_zhou_DescribableTextures.json': '{}',
    });
    const flags = { out: 'o', teacher: 't', clip: 'c', preset: 'base-to-novel' };
    const read = (more: object) => readSettings(nodePlatform, 'student', { ...flags, ...more });
    // 200 for this data set, found in the folder or named.
    expect(await read({ data: `${folder}/dtd` })).toMatchObject({ kdWeight: 200, batch: 8, momentum: 0.9 });
    expect(await read({ data: folder })).toMatchObject({ kdWeight: 200 });
    expect(await read({ data: 'd', dataset: 'oxford_pets' })).toMatchObject({ kdWeight: 1000 });
    const config = `${folder}/student.yaml`;
    expect(await read({ data: folder, config })).toMatchObject({ kdWeight: 7, momentum: 0.5, batch: 8 });
    expect(await read({ data: folder, config, kdWeight: 9 })).toMatchObject({ kdWeight: 9, momentum: 0.5 });
    expect(await read({ data: 'd', preset: 'cross-dataset' })).toMatchObject({
      visionDepth: 3,
      selectClasses: 'all',
    });
  });
});
