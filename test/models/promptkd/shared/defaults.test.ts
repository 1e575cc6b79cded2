import { describe, expect, it } from 'vitest';
import { KNOWN_MODELS } from '../../../../models/clip/knownModels.js';
import {
  checkVectorLength,
  defaultStudent,
  defaultTeacher,
  methodDefault,
  resolveStudent,
  resolveTeacher,
  schedule,
} from '../../../../models/promptkd/shared/defaults.js';
import {
  parseSettings,
  StudentSettingsSchema,
  TeacherSettingsSchema,
} from '../../../../models/promptkd/shared/settings.js';

const { 'ViT-B/16': small, 'ViT-L/14': large } = KNOWN_MODELS;

function teacher(given: object) {
  const settings = parseSettings(TeacherSettingsSchema, { clip: 'c', data: 'd', ...given }, 'test');
  return resolveTeacher(settings as Parameters<typeof resolveTeacher>[0], large);
}

const student = (given: object) =>
  resolveStudent(
    parseSettings(StudentSettingsSchema, { clip: 'c', data: 'd', teacher: 't', ...given }, 'test'),
    small,
  );

describe('the defaults of stage 1', () => {
  it("are the paper's", () => {
    const paper = { textDepth: 9, visionDepth: 9, textLength: 4, visionLength: 4, batch: 8, epochs: 20 };
    expect(teacher({})).toMatchObject({
      ...paper,
      method: 'promptsrc',
      averageMean: 15,
      learningRate: 0.005,
    });
    expect(teacher({ method: 'ivlp' })).toMatchObject({ ...paper, learningRate: 0.005 });
  });

  it('are those of CoOp for its method: 16 random tokens, or the words given', () => {
    expect(teacher({ method: 'coop' })).toMatchObject({
      textDepth: 1,
      visionDepth: 0,
      textLength: 16,
      contextInit: '',
      learningRate: 0.002,
      batch: 32,
      epochs: 50,
    });
    expect(teacher({ method: 'coop', contextInit: 'a photo of a' }).textLength).toBe(4);
    expect(teacher({ method: 'coop', epochs: 200, textLength: 8 })).toMatchObject({
      epochs: 200,
      textLength: 8,
    });
    expect(methodDefault('epochs')).toBe('20; coop: 50');
    expect(methodDefault('seed')).toBeUndefined();
  });

  it.each([
    [{ method: 'coop', visionDepth: 3 }, /coop learns a text context alone/],
    [{ method: 'coop', textDepth: 2 }, /coop learns a text context alone/],
    [{ method: 'ivlp', template: 'a {}' }, /ivlp makes its own template/],
  ])('refuse %j', (given, message) => {
    expect(() => teacher(given)).toThrow(message);
  });
});

describe('the defaults of stage 2', () => {
  it('depend on what is trained, on the text features and on the loss', () => {
    const of = (given: object) => {
      const { visionDepth, projectionLayers, kdWeight } = student(given);
      return [visionDepth, projectionLayers, kdWeight];
    };
    expect(of({})).toEqual([9, 2, 1000]);
    expect(of({ train: 'projection' })).toEqual([0, 2, 1000]);
    expect(of({ train: 'all' })).toEqual([0, 2, 1000]);
    expect(of({ train: 'all', visionDepth: 3 })).toEqual([3, 2, 1000]);
    expect(of({ textFeatures: 'student' })).toEqual([9, 0, 1000]);
    expect(of({ textFeatures: 'student', projectionLayers: 1 })).toEqual([9, 1, 1000]);
    expect(of({ kdLoss: 'mse' })).toEqual([9, 2, 10_000]);
    expect(of({ kdLoss: 'l1', kdWeight: 7 })).toEqual([9, 2, 7]);
  });

  it('stay as they are when they are resolved again, as a resumed run does', () => {
    for (const given of [{}, { train: 'all' }, { textFeatures: 'student' }, { kdLoss: 'mse' }]) {
      const resolved = student(given);
      expect(resolveStudent(resolved, small)).toEqual(resolved);
    }
    const coop = teacher({ method: 'coop', contextInit: 'a photo of a' });
    expect(resolveTeacher(coop, large)).toEqual(coop);
  });

  it.each([
    [{ train: 'projection', visionDepth: 1 }, /prompts would not be trained/],
    [{ visionDepth: 0, projectionLayers: 0 }, /nothing to train/],
    [{ train: 'projection', textFeatures: 'student' }, /nothing to train/],
    [{ textFeatures: 'student', kdLoss: 'l1' }, /kdLoss l1 compares features/],
    [{ batch: 1 }, /a batch of 1 has no batch statistics/],
  ])('refuse %j', (given, message) => {
    expect(() => student(given)).toThrow(message);
  });

  it('need a projection between embeddings of different lengths', () => {
    expect(() => checkVectorLength(student({ projectionLayers: 0 }), 512, 768)).toThrow(/length 512 .* 768/);
    checkVectorLength(student({ projectionLayers: 0 }), 512, 512);
    checkVectorLength(student({ projectionLayers: 1 }), 512, 768);
  });
});

describe('defaults and limits', () => {
  /** A CLIP of three and two blocks. */
  const tiny = { ...small, vision: { ...small.vision, layers: 3 }, text: { ...small.text, layers: 2 } };

  it('of depths are those of the CLIP where it has fewer blocks, and depths beyond them are refused', () => {
    expect(defaultTeacher(tiny)).toMatchObject({ method: 'promptsrc', textDepth: 2, visionDepth: 3 });
    expect(defaultTeacher(tiny, { method: 'coop' })).toMatchObject({ textDepth: 1, visionDepth: 0 });
    expect(defaultStudent(tiny)).toMatchObject({ visionDepth: 3, projectionLayers: 2, kdWeight: 1000 });
    expect(() => defaultTeacher(tiny, { textDepth: 3 })).toThrow(/text prompt depth 3/);
    expect(() => defaultTeacher(tiny, { visionDepth: 4 })).toThrow(/vision prompt depth 4/);
    expect(() => defaultStudent(tiny, { visionDepth: 4 })).toThrow(/vision prompt depth 4/);
    expect(defaultStudent(tiny, { visionDepth: 1 }).visionDepth).toBe(1);
    expect(() => defaultTeacher(tiny, { epochs: -1 })).toThrow(/^the settings: epochs/);
    expect(() => defaultStudent(tiny, { epochs: -1 })).toThrow(/^the settings: epochs/);
  });

  it('of stage 1 give way to what is set', () => {
    const set = {
      textDepth: 5,
      visionDepth: 3,
      textLength: 7,
      contextInit: 'an image of',
      learningRate: 0.1,
      batch: 3,
      epochs: 11,
      averageMean: 2,
    };
    expect(teacher(set)).toMatchObject(set);
    expect(teacher({ ...set, method: 'ivlp' })).toMatchObject(set);
    // Three quarters of the epochs, rounded.
    expect(teacher({ epochs: 11 }).averageMean).toBe(8);
    expect(teacher({ contextInit: 'an  image of ' }).textLength).toBe(4);
    expect(teacher({ method: 'coop', contextInit: 'an  image of ' }).textLength).toBe(3);
    expect(teacher({ method: 'coop', contextInit: '' }).textLength).toBe(16);
    expect(() => teacher({ method: 'coop', textDepth: 1, visionDepth: 0 })).not.toThrow();
  });

  it('of a method are told for the fields that depend on it alone', () => {
    const fields = ['epochs', 'batch', 'learningRate', 'textLength', 'contextInit'];
    expect(fields.map(methodDefault)).toEqual([
      '20; coop: 50',
      '8; coop: 32',
      '0.005; coop: 0.002',
      '4; coop: 16',
      'a photo of a; coop: none',
    ]);
    for (const field of ['textDepth', 'visionDepth', 'averageMean'])
      expect(methodDefault(field)).toBeUndefined();
  });

  it('of the schedule scale its rate alone', () => {
    const settings = {
      learningRate: 0.01,
      epochs: 7,
      warmupEpochs: 2,
      warmupLearningRate: 1e-4,
      batch: 6,
      accumulate: 4,
      scaleLr: true,
    };
    const rest = { epochs: 7, warmupEpochs: 2, warmupRate: 1e-4 };
    expect(schedule(settings, 8)).toEqual({ ...rest, rate: 0.03 });
    expect(schedule({ ...settings, scaleLr: false }, 8)).toEqual({ ...rest, rate: 0.01 });
  });

  it('take a batch of one where no BatchNorm is, and what trains nothing but the weights', () => {
    expect(student({ batch: 1, projectionLayers: 1 }).projectionLayers).toBe(1);
    expect(student({ batch: 1, textFeatures: 'student' }).projectionLayers).toBe(0);
    expect(student({ batch: 2 }).projectionLayers).toBe(2);
    expect(student({ train: 'all', projectionLayers: 0 })).toMatchObject({
      visionDepth: 0,
      projectionLayers: 0,
    });
    expect(student({ visionDepth: 0 })).toMatchObject({ visionDepth: 0, projectionLayers: 2 });
    expect(student({ visionDepth: 2, projectionLayers: 0 })).toMatchObject({
      visionDepth: 2,
      projectionLayers: 0,
    });
    expect(student({ train: 'projection', visionDepth: 0 }).visionDepth).toBe(0);
    expect(() => student({ textFeatures: 'student', kdLoss: 'mse' })).toThrow(/kdLoss mse compares features/);
    expect(student({ textFeatures: 'student', kdLoss: 'symmetric-kl' }).kdWeight).toBe(1000);
  });
});
