import { describe, expect, it } from 'vitest';
import { KNOWN_MODELS } from '../../../../models/clip/knownModels.js';
import {
  checkEmbeddings,
  methodDefault,
  resolveStudent,
  resolveTeacher,
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
    expect(() => checkEmbeddings(student({ projectionLayers: 0 }), 512, 768)).toThrow(/length 512 .* 768/);
    checkEmbeddings(student({ projectionLayers: 0 }), 512, 512);
    checkEmbeddings(student({ projectionLayers: 1 }), 512, 768);
  });
});
