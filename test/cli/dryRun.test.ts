/** `--dry-run`: every setting that can change the plan of a step does, and settings come from where a run takes them. */
import { copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { dryRun, planStep } from '../../cli/dryRun.js';
import type { Field } from '../../cli/options/fields.js';
import { nodePlatform } from '../../cli/platform/node.js';
import { fieldsOf, type Stage } from '../../cli/settings.js';
import { emojiStudent, emojiTeacher } from '../helpers/emojiData.js';
import { temporaryFolder } from '../helpers/files.js';
import { makeStudentRun, makeTeacherRun } from '../helpers/studentRun.js';
import { makeTinyWorld } from '../helpers/tinyWorld.js';

const folder = temporaryFolder('dry-run');
const at = (...parts: string[]) => join(folder, ...parts);

/** Two data sets in the folder `datasets`, and everything else that a setting may name. */
beforeAll(async () => {
  const { data } = await makeTinyWorld(folder, { train: 1, test: 1 });
  const path = 'grandfather clock/0.png';
  mkdirSync(at('datasets', 'oxford_pets', 'images', dirname(path)), { recursive: true });
  copyFileSync(join(data, '2750', 'acorn', '0.png'), at('datasets', 'oxford_pets', 'images', path));
  const items = [[path, 0, 'grandfather clock']];
  writeFileSync(
    at('datasets', 'oxford_pets', 'split_zhou_OxfordPets.json'),
    JSON.stringify({ train: items, val: items, test: items }),
  );
  await makeTeacherRun(at('teacher'));
  await makeStudentRun(at('student'));
  const tokenizer = JSON.parse(readFileSync(join(emojiTeacher, 'tokenizer.json'), 'utf8'));
  writeFileSync(
    at('letters.json'),
    JSON.stringify({ ...tokenizer, model: { ...tokenizer.model, merges: [] } }),
  );
});

type Flags = Readonly<Partial<Record<Field, unknown>>>;
const eurosat = () => ({ data: at('datasets', 'eurosat') });
const BASE: Readonly<Record<Stage, () => Flags>> = {
  teacher: () => ({ ...eurosat(), clip: emojiTeacher }),
  student: () => ({ ...eurosat(), clip: emojiStudent, teacher: at('teacher') }),
};

/** Another value of a setting, with others that it needs to matter. */
type Change = readonly [value: unknown, others?: Flags];
/** And why it cannot change a plan. */
type NoChange = readonly [value: unknown, reason: string];

const ORDER = 'decides which images a step gets, and in which order';
const RATE = 'the learning rate is an input of the step';
const NUMBER = 'a number that kernels read: no shape depends on it';
const LATER = 'used between steps';
const INSIDE = 'decides which files may be read, not what they say';

const both: Partial<Record<Field, () => Change>> = {
  data: () => [at('datasets', 'oxford_pets')],
  dataset: () => ['OxfordPets', { data: at('datasets') }],
  batch: () => [5],
  accumulate: () => [2],
  views: () => [2],
  recompute: () => [true],
  precision: () => ['f16'],
  visionDepth: () => [1],
  visionLength: () => [9],
};
const neither: Partial<Record<Field, NoChange>> = {
  allowOutside: [true, INSIDE],
  maxBroken: [0.5, INSIDE],
  seed: [2, ORDER],
  cropSeed: [2, ORDER],
  cropScale: [0.5, ORDER],
  epochs: [3, LATER],
  scaleLr: [true, RATE],
  learningRate: [1, RATE],
  warmupEpochs: [0, RATE],
  warmupLearningRate: [1, RATE],
  momentum: [0, NUMBER],
  weightDecay: [0, NUMBER],
};

const CHANGES: Readonly<Record<Stage, Partial<Record<Field, () => Change>>>> = {
  teacher: {
    ...both,
    clip: () => [emojiStudent],
    method: () => ['ivlp'],
    tokenizer: () => [at('letters.json')],
    classes: () => ['all'],
    textDepth: () => [1],
    textLength: () => [3],
    contextInit: () => ['one small drawing of a single'],
  },
  student: {
    ...both,
    clip: () => [emojiTeacher],
    teacher: () => ['ViT-B/32'],
    teacherClip: () => [emojiStudent],
    classVectors: () => [at('student', 'class-vectors.safetensors')],
    teacherCache: () => [true],
    train: () => ['projection'],
    projectionLayers: () => [3],
    textFeatures: () => ['student'],
    kdLoss: () => ['l1'],
  },
};
const NO_CHANGES: Readonly<Record<Stage, Partial<Record<Field, NoChange>>>> = {
  teacher: {
    ...neither,
    shots: [1, ORDER],
    textWeight: [1, NUMBER],
    imageWeight: [1, NUMBER],
    averageMean: [1, LATER],
    averageDeviation: [2, LATER],
  },
  student: {
    ...neither,
    tokenizer: [join(emojiTeacher, 'tokenizer.json'), 'class vectors are made before the step'],
    template: ['a {}', 'class vectors are made before the step'],
    imagesPerClass: [1, ORDER],
    temperature: [3, NUMBER],
    kdWeight: [3, NUMBER],
    select: ['val', LATER],
    selectClasses: ['all', LATER],
    evalEvery: [2, LATER],
  },
};
/** Of the method clip, which has no step: other methods refuse it. */
const REFUSED: Readonly<Record<Stage, readonly Field[]>> = { teacher: ['template'], student: [] };

const planOf = async (stage: Stage, flags: Flags) =>
  (await planStep(nodePlatform, stage, { ...flags, dryRun: true })).plan;

describe.each(['teacher', 'student'] as const)('the plan of a %s', (stage) => {
  it('is tried with every setting', () => {
    const known = [...Object.keys(CHANGES[stage]), ...Object.keys(NO_CHANGES[stage]), ...REFUSED[stage]];
    expect(known.sort()).toEqual([...fieldsOf(stage)].sort());
  });

  it.each(Object.entries(CHANGES[stage]))('changes with %s', async (field, change) => {
    const [value, others = {}] = change();
    const base = { ...BASE[stage](), ...others };
    // With several data sets in a folder, one must be named.
    const before = await planOf(stage, field === 'dataset' ? { ...base, dataset: 'EuroSAT' } : base);
    expect(await planOf(stage, { ...base, [field]: value })).not.toEqual(before);
  });

  it.each(Object.entries(NO_CHANGES[stage]))('does not change with %s', async (field, [value]) => {
    const base = BASE[stage]();
    expect(await planOf(stage, { ...base, [field]: value })).toEqual(await planOf(stage, base));
  });

  it.each(REFUSED[stage])('is refused with %s', async (field) => {
    await expect(planOf(stage, { ...BASE[stage](), [field]: 'a {}' })).rejects.toThrow(field);
  });
});

describe('--dry-run', () => {
  const published = { clip: 'ViT-B/16', teacher: 'ViT-L/14' };

  it('takes published models by name and the number of classes, and prints bytes by kind and FLOPs', async () => {
    const text = await dryRun(nodePlatform, 'student', { ...published, dryRun: 1000 });
    expect(text).toMatch(/saved activations\D+[\d.]+ MiB/);
    expect(text).toMatch(/1\d{3}\.\d GFLOP per step with 1000 classes/);
    const long = await dryRun(nodePlatform, 'student', { ...published, dryRun: 1000, visionLength: 500 });
    expect(long).not.toBe(text);
  });

  it('plans stage 1 for the part of the classes that it tunes on', async () => {
    const of = (flags: Flags) => dryRun(nodePlatform, 'teacher', { clip: 'ViT-B/32', dryRun: 11, ...flags });
    expect(await of({})).toMatch(/with 6 classes/);
    expect(await of({ classes: 'novel' })).toMatch(/with 5 classes/);
    expect(await of({ classes: 'all' })).toMatch(/with 11 classes/);
  });

  it('reads settings as a run does: flags override --config, which overrides --preset', async () => {
    const file = at('settings.yaml');
    writeFileSync(file, 'clip: ViT-B/32\nbatch: 3\n');
    const planned = (flags: object) => planStep(nodePlatform, 'teacher', { dryRun: 10, ...flags });
    const [found, expected] = [
      await planned({ config: file }),
      await planned({ clip: 'ViT-B/32', batch: 3 }),
    ];
    expect(found).toEqual(expected);
    expect(await planned({ config: file, batch: 4 })).toEqual(await planned({ clip: 'ViT-B/32', batch: 4 }));
    expect(await planned({ config: file, preset: 'base-to-novel' })).toEqual(expected);
    await expect(planned({ config: at('nothing.yaml'), clip: 'ViT-B/32' })).rejects.toThrow(/nothing\.yaml/);
    writeFileSync(file, 'clip: ViT-B/32\nvisionDepht: 3\n');
    await expect(planned({ config: file })).rejects.toThrow(/unknown field "visionDepht"/);
  });

  it('knows the teacher that is given: a finished run by its prompts, any other by its settings', async () => {
    const plan = (teacher: string) => planOf('student', { ...BASE.student(), teacher });
    const finished = await plan(at('teacher'));
    const unfinished = at('unfinished');
    mkdirSync(unfinished);
    const config = (lines: string) =>
      writeFileSync(join(unfinished, 'config.yaml'), `kind: teacher\nclip: ${emojiTeacher}\n${lines}`);
    config('visionDepth: 2\nvisionLength: 3\n');
    expect(await plan(unfinished)).toEqual(finished);
    config('method: clip\n');
    expect(await plan(unfinished)).not.toEqual(finished);
    const file = at('moved.safetensors');
    copyFileSync(at('teacher', 'teacher.safetensors'), file);
    expect(await plan(file)).toEqual(finished);
    await expect(plan(at('student', 'student.safetensors'))).rejects.toThrow(/is a student/);
  });

  it('takes data under the same rules as a run', async () => {
    const [data, outside] = [at('folders'), at('outside')];
    const image = at('datasets', 'eurosat', '2750', 'acorn', '0.png');
    for (const to of [join(data, 'train', 'cat'), outside]) {
      mkdirSync(to, { recursive: true });
      for (const name of ['0.png', '1.png']) copyFileSync(image, join(to, name));
    }
    symlinkSync(outside, join(data, 'train', 'dog'));
    const classes = (flags: Flags) =>
      planStep(nodePlatform, 'student', { ...published, dryRun: true, data, ...flags }).then(
        (planned) => planned.classes,
        () => 'refused',
      );
    expect(await classes({ allowOutside: true })).toBe(2);
    expect(await classes({})).not.toBe(2);
  });

  it.each([
    [{ dryRun: true, clip: 'ViT-L/14' }, /number of classes/],
    [{ dryRun: 10 }, /--clip is missing/],
    [{ dryRun: 10, clip: 'ViT-L/14', method: 'clip' }, /trains nothing/],
    [{ dryRun: 10, clip: 'ViT-L/14', textDepth: 60 }, /prompt depth 60/],
    [{ dryRun: 10, clip: 'ViT-L/14', textLength: 74 }, /74 prompt tokens leave no room/],
    [{ dryRun: 10, clip: 'ViT-X' }, /ViT-X/],
  ] as const)('says what is wrong with %j', async (flags, message) => {
    await expect(dryRun(nodePlatform, 'teacher', flags)).rejects.toThrow(message);
  });
});
