/** Experiments with tiny settings: on a few emoji in the folders of a known data set, and on real data sets if available. */
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { loadPreset } from '../../cli/options/presets.js';
import { nodePlatform } from '../../cli/platform/node.js';
import type { Job } from '../../models/job.js';
import { reproduce } from '../../models/reproduce/reproduce.js';
import { testGpu } from '../helpers/check.js';
import { promptkd } from '../helpers/cli.js';
import { drawFewEmoji, drawKnownEmoji, emojiStudent, emojiTeacher, fewEmoji } from '../helpers/emojiData.js';
import { temporaryFolder } from '../helpers/files.js';
import { metricsOf } from '../helpers/runFiles.js';
import { describeWithShared, sharedFolder } from '../helpers/shared.js';

const folder = temporaryFolder('reproduce');
const at = (...parts: string[]) => join(folder, ...parts);

/** The first classes of a known data set; all classes would take minutes on a software adapter. */
function fewClasses(name: string, file: string, classes: number): string {
  const from = join(sharedFolder, 'data', name);
  const to = at('few', basename(name));
  mkdirSync(to, { recursive: true });
  for (const entry of readdirSync(from)) if (entry !== file) symlinkSync(join(from, entry), join(to, entry));
  const split = JSON.parse(readFileSync(join(from, file), 'utf8')) as Record<string, [string, number][]>;
  const parts = Object.entries(split).map(([part, rows]) => [part, rows.filter((row) => row[1] < classes)]);
  writeFileSync(join(to, file), JSON.stringify(Object.fromEntries(parts)));
  return to;
}

/** A job on the test adapter that records its notes; `stopAt` interrupts it when a label's progress gets that far. */
async function makeJob(stopAt?: readonly [label: string, done: number]) {
  const labels: string[] = [];
  const notes: string[] = [];
  const job: Job = {
    gpu: await testGpu(),
    platform: nodePlatform,
    begin: (label) => {
      labels.push(label);
      const update = (done: number) => {
        if (stopAt && label.startsWith(stopAt[0]) && done > stopAt[1]) throw new Error('interrupted');
      };
      return { update, end: () => {} };
    },
    note: (line) => notes.push(line),
  };
  return { job, labels, notes };
}

const tiny = { epochs: 2, batch: 4, visionDepth: 1 };
const options = async (setting: string, out: string, student: object = {}) => ({
  preset: await loadPreset(nodePlatform, setting),
  data: at('root'),
  teacherClip: emojiTeacher,
  studentClip: emojiStudent,
  out: at(out),
  teacher: { ...tiny, shots: 2, textDepth: 1 },
  student: { ...tiny, learningRate: 0.1, ...student },
});

beforeAll(async () => {
  await drawKnownEmoji(at('root'));
});

describe('an experiment', () => {
  it('continues where it was interrupted, and does not repeat finished runs', async () => {
    const wanted = { datasets: ['EuroSAT'], seeds: [1], ...(await options('base-to-novel', 'whole')) };
    const { job, notes } = await makeJob();
    const whole = await reproduce(job, wanted);
    expect(notes.filter((line) => line.startsWith('EuroSAT'))).toEqual([
      'EuroSAT, seed 1: teacher',
      'EuroSAT, seed 1: student',
      'EuroSAT, seed 1: evaluating the teacher',
      'EuroSAT, seed 1: evaluating the student',
    ]);
    expect(whole).toMatchObject([{ dataset: 'EuroSAT', seed: 1 }]);
    expect(whole[0]!.student.images).toEqual({ base: 4, novel: 4 });

    const parted = { ...wanted, out: at('parted') };
    // An epoch has four steps; this stops within the second epoch.
    const stopped = await makeJob(['stage 2', 5]);
    await expect(reproduce(stopped.job, parted)).rejects.toThrow('interrupted');
    const again = await makeJob();
    expect(await reproduce(again.job, parted)).toEqual(whole);
    expect(again.notes).not.toContain('EuroSAT, seed 1: teacher');
    expect(again.notes).toContain('continuing after epoch 1');
    const file = (out: string) =>
      readFileSync(at(out, 'EuroSAT', 'seed-1', 'student', 'student.safetensors'));
    expect(file('parted').equals(file('whole'))).toBe(true);

    const none = await makeJob();
    expect(await reproduce(none.job, parted)).toEqual(whole);
    expect([none.labels, none.notes]).toEqual([[], []]);

    const changed = { ...parted, student: { ...parted.student, kdWeight: 5 } };
    await expect(reproduce(none.job, changed)).rejects.toThrow(
      /has other settings: student\.kdWeight is 1000 there and 5 now/,
    );
  });

  it('keeps the epoch that is best on the test set, also across an interruption', async () => {
    const select = { epochs: 3, select: 'reference' };
    const wanted = {
      datasets: ['EuroSAT'],
      seeds: [3],
      ...(await options('base-to-novel', 'select', select)),
    };
    const stopped = await makeJob(['stage 2', 9]);
    await expect(reproduce(stopped.job, wanted)).rejects.toThrow('interrupted');
    const { job, notes } = await makeJob();
    const [result] = await reproduce(job, wanted);
    const run = at('select', 'EuroSAT', 'seed-3', 'student');
    const chosen = metricsOf(run).filter((line) => line.selectionAccuracy !== undefined);
    expect(chosen.map(({ epoch }) => epoch)).toEqual([1, 2, 3]);
    const most = Math.max(...chosen.map(({ selectionAccuracy }) => selectionAccuracy!));
    const first = chosen.find(({ selectionAccuracy }) => selectionAccuracy === most)!;
    expect(notes).toContain(
      `kept epoch ${first.epoch}, the best on base classes of the test set: ${most.toFixed(1)} %`,
    );
    // Evaluated from the written file.
    expect(result!.student.base).toBe(most);
  });

  it('across data sets tunes one teacher per seed, on all classes of the source', async () => {
    const wanted = {
      datasets: ['caltech101', 'eurosat'],
      seeds: [1],
      source: 'EuroSAT',
      ...(await options('cross-dataset', 'cross', { epochs: 1 })),
    };
    const { job, notes } = await makeJob();
    const results = await reproduce(job, { ...wanted, teacher: { ...wanted.teacher, epochs: 1 } });
    expect(results.map(({ dataset }) => dataset)).toEqual(['Caltech101', 'EuroSAT']);
    expect(notes.filter((line) => / teacher$/.test(line) && !/evaluating/.test(line))).toHaveLength(1);
    expect(existsSync(at('cross', 'Caltech101', 'seed-1', 'teacher'))).toBe(false);
    const config = readFileSync(at('cross', 'EuroSAT', 'seed-1', 'teacher', 'config.yaml'), 'utf8');
    expect(config).toMatch(/^classes: all$/m);
    // Both names stand for the same images and classes, so the student is the same.
    expect(results[0]!.student).toEqual(results[1]!.student);
  });

  it('says what is wrong before it trains', async () => {
    const { job, labels } = await makeJob();
    const base = await options('base-to-novel', 'wrong');
    const refuses = (more: object, message: RegExp) =>
      expect(reproduce(job, { ...base, datasets: ['EuroSAT'], seeds: [1], ...more })).rejects.toThrow(
        message,
      );
    await refuses({ datasets: ['cifar'] }, /no data set called "cifar"/);
    await refuses({ datasets: ['EuroSAT', 'dtd'] }, /holds no DescribableTextures/);
    await refuses({ student: { batch: 0 } }, /EuroSAT, student: batch/);
    await refuses({ out: at('root') }, /not empty and holds no reproduction/);
    expect(labels).toEqual([]);
    expect(existsSync(at('wrong'))).toBe(false);
  });
});

describe('a class name that is too long', () => {
  it('is reported before stage 1 trains, even for a novel class', async () => {
    mkdirSync(at('long'), { recursive: true });
    const long = `a creature ${'very '.repeat(30)}long`;
    const emoji = [...fewEmoji({ classes: 3, train: 2, test: 1 })];
    const [last] = fewEmoji({ classes: 4, train: 2, test: 1 }).slice(3);
    await drawFewEmoji(at('long', 'data'), [...emoji, { ...last!, class: long }]);
    const { stderr, status } = promptkd(
      ['teacher', '--clip', emojiTeacher, '--data', at('long', 'data'), '--out', at('long', 'run')],
      folder,
    );
    expect(status).toBe(2);
    expect(stderr).toMatch(
      /error: the class name "a creature very .*\.\.\." is too long: .*context has 32\nhint: /,
    );
    expect(existsSync(at('long', 'run'))).toBe(false);
  });
});

describeWithShared('data/eurosat-mini', 'real images', () => {
  const small = ['--shots', '1', '--epochs', '1', '--batch', '4', '--vision-depth', '1', '--text-depth', '1'];
  const run = (...args: string[]) => {
    const { status, stdout, stderr } = promptkd(args, folder);
    expect(status, stderr).toBe(0);
    return stdout;
  };

  it('of Caltech101 go through teacher, distill and eval', () => {
    const classes = 8;
    const data = fewClasses('caltech101-mini/caltech-101', 'split_zhou_Caltech101.json', classes);
    // Its image folder is a link.
    const preset = ['--preset', 'base-to-novel', '--data', data, '--allow-outside'];
    run('teacher', ...preset, '--clip', emojiTeacher, ...small, '--out', 'c-t');
    const flags = ['--epochs', '1', '--batch', '8', '--vision-depth', '1', '--select', 'val'];
    run('distill', ...preset, '--teacher', 'c-t', '--clip', emojiStudent, ...flags, '--out', 'c-s');
    expect(readFileSync(at('c-s', 'metrics.jsonl'), 'utf8')).toContain('selectionAccuracy');
    const { models } = JSON.parse(run('eval', 'c-t', 'c-s', '--data', data, '--allow-outside', '--json'));
    for (const model of models) expect(model.images).toEqual({ base: classes, novel: classes });
  });

  it('of EuroSAT are reproduced, with an interruption', async () => {
    const data = join(sharedFolder, 'data', 'eurosat-mini');
    const args = ['reproduce', '--dataset', 'eurosat', '--seed', '1', '--data', data];
    const clips = ['--teacher-clip', emojiTeacher, '--student-clip', emojiStudent];
    const preset = await loadPreset(nodePlatform, 'base-to-novel');
    const common = { epochs: 1, batch: 4, visionDepth: 1 };
    const { job } = await makeJob(['stage 2', 3]);
    await expect(
      reproduce(job, {
        preset,
        datasets: ['eurosat'],
        seeds: [1],
        data,
        teacherClip: emojiTeacher,
        studentClip: emojiStudent,
        out: at('eurosat'),
        teacher: { ...common, shots: 1, textDepth: 1 },
        student: common,
      }),
    ).rejects.toThrow('interrupted');
    const table = run(...args, ...clips, ...small, '--out', 'eurosat');
    expect(table).toMatch(/EuroSAT .* 97\.54 .* 82\.08 .* 89\.14/);
    expect(table).toContain('ours: the last epoch; settings changed: shots 1, epochs 1');
    const json = JSON.parse(run(...args, ...clips, ...small, '--out', 'eurosat', '--json'));
    expect(json).toMatchObject({ setting: 'base-to-novel', select: 'last', rows: [{ dataset: 'EuroSAT' }] });
    expect(json.trials[0].student.images).toEqual({ base: 50, novel: 50 });
  });
});
