import { describe, expect, it } from 'vitest';
import { dryRun } from '../../../cli/dryRun.js';
import { nodePlatform } from '../../../cli/platform/node.js';
import {
  describeRequest,
  KNOWN_MODELS,
  studentRequests,
  teacherRequest,
} from '../../../models/promptkd/shapes.js';

const GIB = 2 ** 30;
const large = KNOWN_MODELS['ViT-L/14'];
const small = KNOWN_MODELS['ViT-B/16'];

describe('plans without weights or a device', () => {
  const student = describeRequest(studentRequests(large, small, { classes: 1000, batch: 8 }).train);

  it('count the weights of both image encoders and the class vectors', () => {
    // Parameters by the reference classes: 303,966,208 and 86,192,640 (spec 4.1).
    const expected = 4 * (303_966_208 + 86_192_640 + 1000 * 768);
    expect(student.constants / expected).toBeCloseTo(1, 4);
  });

  it('count the work of a step of stage 2: 164 GFLOP an image for the teacher, 74 for the student', () => {
    expect(student.flops / (8 * (164e9 + 74e9))).toBeGreaterThan(0.97);
    expect(student.flops / (8 * (164e9 + 74e9))).toBeLessThan(1.03);
  });

  it('fit: 3 GiB for stage 2 with 1000 classes, in float32', () => {
    expect(student.total / GIB).toBeLessThan(3);
  });

  it('fit: 6 GiB for stage 1 with 500 classes and 8 with 1000, recomputing, in float32', () => {
    const total = (classes: number) =>
      describeRequest(teacherRequest(large, { classes, batch: 8, recompute: true })).total / GIB;
    expect(total(500)).toBeLessThan(6);
    expect(total(1000)).toBeLessThan(8);
  });

  it('save more than they recompute', () => {
    const saved = (recompute: boolean) =>
      describeRequest(teacherRequest(large, { classes: 100, batch: 8, recompute })).saved;
    expect(saved(true)).toBeLessThan(saved(false) / 5);
  });
});

describe('--dry-run', () => {
  it('takes models by name and says bytes by kind and FLOPs', async () => {
    const text = await dryRun(nodePlatform, 'student', {
      dryRun: 1000,
      teacher: 'ViT-L/14',
      clip: 'ViT-B/16',
    });
    expect(text).toMatch(/saved activations\D+[\d.]+ MiB/);
    expect(text).toMatch(/1\d{3}\.\d GFLOP a step/);
  });

  it('says what is missing', async () => {
    await expect(dryRun(nodePlatform, 'teacher', { dryRun: true, clip: 'ViT-L/14' })).rejects.toThrow(
      /number of classes/,
    );
    await expect(dryRun(nodePlatform, 'teacher', { dryRun: 10 })).rejects.toThrow(/--clip/);
  });
});
