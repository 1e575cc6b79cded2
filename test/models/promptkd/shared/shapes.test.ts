import { describe, expect, it } from 'vitest';
import { dryRun } from '../../../../cli/dryRun.js';
import { nodePlatform } from '../../../../cli/platform/node.js';
import {
  describeRequest,
  KNOWN_MODELS,
  type StepShape,
  studentRequests,
  teacherRequest,
} from '../../../../models/promptkd/shared/shapes.js';
import { TENSOR_CORES } from '../../../helpers/tensorCores.js';

const GIB = 2 ** 30;
const large = KNOWN_MODELS['ViT-L/14'];
const small = KNOWN_MODELS['ViT-B/16'];

describe('plans without weights or a device', () => {
  const student = describeRequest(studentRequests(large, small, { classes: 1000, batch: 8 }).train);

  it('count the weights of both image encoders and the class vectors', () => {
    // Parameters by the reference classes: 303,966,208 and 86,192,640 (docs/method.md 4.1).
    const expected = 4 * (303_966_208 + 86_192_640 + 1000 * 768);
    expect(student.constants / expected).toBeCloseTo(1, 4);
  });

  it('count the work of a step of stage 2: 164 GFLOP an image for the teacher, 74 for the student', () => {
    // The last blocks' projections and MLPs, 9 of 12 products of [tokens, width, width], work on the class token alone.
    const spared = 9 * 2 * (261 * 1024 ** 2 + 2 * 201 * 768 ** 2);
    const expected = 8 * (164e9 + 74e9 - spared);
    expect(student.flops / expected).toBeGreaterThan(0.97);
    expect(student.flops / expected).toBeLessThan(1.03);
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

  it('fit in float16: 1.5 GiB for stage 2 with 1000 classes, 6 for stage 1 with 500; with 1000 2.5 recomputing, 6 on tensor cores', () => {
    const half = { batch: 8, precision: 'f16' } as const;
    const distill = studentRequests(large, small, { ...half, classes: 1000 }).train;
    expect(describeRequest(distill).total / GIB).toBeLessThan(1.5);
    const tune = (classes: number, more: Partial<StepShape> = {}) =>
      describeRequest(teacherRequest(large, { ...half, classes, ...more })).total / GIB;
    expect(tune(500)).toBeLessThan(6);
    expect(tune(1000, { recompute: true })).toBeLessThan(2.5);
    expect(tune(1000, { capabilities: TENSOR_CORES })).toBeLessThan(6);
  });

  it('take half the bytes for matrices in float16, and on tensor cores for what stands between them', () => {
    const shape = { classes: 500, batch: 8 };
    const [single, half] = (['f32', 'f16'] as const).map((precision) =>
      describeRequest(teacherRequest(large, { ...shape, precision })),
    );
    expect(half!.constants / single!.constants).toBeLessThan(0.55);
    // But for the gradients before the loss scale is taken from them.
    expect(half!.saved / single!.saved).toBeCloseTo(1, 2);
    // The residual stream and what LayerNorm keeps stay float32.
    const onTensorCores = { ...shape, precision: 'f16', capabilities: TENSOR_CORES } as const;
    const least = describeRequest(teacherRequest(large, onTensorCores));
    expect(least.saved / single!.saved).toBeLessThan(0.65);
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

  it('knows what an ablation trains', () => {
    const of = (shape: Partial<StepShape>) =>
      describeRequest(studentRequests(large, small, { classes: 100, batch: 8, ...shape }).train);
    // The image encoder and its momentum are variables then (docs/method.md 4.1); its gradients all wait for the last step.
    const tower = 4 * 86_192_640;
    const [paper, full] = [of({}), of({ train: 'all' })];
    expect((full.variables - paper.variables) / (2 * tower)).toBeCloseTo(1, 2);
    expect((paper.constants - full.constants) / tower).toBeCloseTo(1, 2);
    expect(full.saved + full.workspace).toBeGreaterThan(tower);
    // A third layer: 590,592 weights and 1,536 of BatchNorm with momentum, and 1,536 of its statistics; and the largest value
    // of each of these six tensors.
    expect(of({ projectionLayers: 3 }).variables - paper.variables).toBe(4 * (2 * 592_128 + 1536 + 6));
    expect(of({ textFeatures: 'student' }).constants - paper.constants).toBe(4 * 100 * 512);
    const teacher = (method: 'promptsrc' | 'coop') =>
      describeRequest(teacherRequest(large, { classes: 50, batch: 8, method }));
    expect(teacher('coop').flops).toBeLessThan(teacher('promptsrc').flops);
  });

  it('says what is missing', async () => {
    await expect(dryRun(nodePlatform, 'teacher', { dryRun: true, clip: 'ViT-L/14' })).rejects.toThrow(
      /number of classes/,
    );
    await expect(dryRun(nodePlatform, 'teacher', { dryRun: 10 })).rejects.toThrow(/--clip/);
  });
});
