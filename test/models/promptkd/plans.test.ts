/** Plans of real models, without weights or a device. */
import { describe, expect, it } from 'vitest';
import type { Capabilities } from '../../../engine/capabilities.js';
import { PORTABLE } from '../../../engine/capabilities.js';
import { type PlanRequest, Schedule } from '../../../engine/gpu/schedule.js';
import { KNOWN_MODELS } from '../../../models/clip/knownModels.js';
import { defaultStudent, defaultTeacher } from '../../../models/promptkd/shared/defaults.js';
import { usualTeacher } from '../../../models/promptkd/shared/teacher.js';
import { teacherRequest } from '../../../models/promptkd/stage1/plan.js';
import { studentRequests } from '../../../models/promptkd/stage2/plan.js';
import { TENSOR_CORES } from '../../helpers/tensorCores.js';

const GIB = 2 ** 30;
const large = KNOWN_MODELS['ViT-L/14'];
const small = KNOWN_MODELS['ViT-B/16'];

const describeRequest = (request: PlanRequest) => new Schedule(request, PORTABLE).describe();
const tune = (
  classes: number,
  given: Parameters<typeof defaultTeacher>[1] = {},
  capabilities?: Capabilities,
) => describeRequest(teacherRequest(large, defaultTeacher(large, given), { classes, capabilities }));
const distil = (classes: number, given: Parameters<typeof defaultStudent>[1] = {}) =>
  describeRequest(
    studentRequests(usualTeacher(large), small, defaultStudent(small, given), { classes }).train,
  );

describe('plans without weights or a device', () => {
  const student = distil(1000);

  it('count the weights of both image encoders and the class vectors', () => {
    // Parameters by the reference classes: 303,966,208 and 86,192,640 (docs/method.md, 4.1).
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
    expect(tune(500, { recompute: true }).total / GIB).toBeLessThan(6);
    expect(tune(1000, { recompute: true }).total / GIB).toBeLessThan(8);
  });

  it('fit in float16: 1.5 GiB for stage 2 with 1000 classes, 6 for stage 1 with 500; with 1000 2.5 recomputing, 6 on tensor cores', () => {
    const half = { precision: 'f16' } as const;
    expect(distil(1000, half).total / GIB).toBeLessThan(1.5);
    expect(tune(500, half).total / GIB).toBeLessThan(6);
    expect(tune(1000, { ...half, recompute: true }).total / GIB).toBeLessThan(2.5);
    expect(tune(1000, half, TENSOR_CORES).total / GIB).toBeLessThan(6);
  });

  it('take half the bytes for matrices in float16, and on tensor cores for what stands between them', () => {
    const [single, half] = (['f32', 'f16'] as const).map((precision) => tune(500, { precision }));
    expect(half!.constants / single!.constants).toBeLessThan(0.55);
    // But for the gradients before the loss scale is taken from them.
    expect(half!.saved / single!.saved).toBeCloseTo(1, 2);
    // The residual stream and what LayerNorm keeps stay float32.
    const least = tune(500, { precision: 'f16' }, TENSOR_CORES);
    expect(least.saved / single!.saved).toBeLessThan(0.65);
  });

  it('save more than they recompute', () => {
    const saved = (recompute: boolean) => tune(100, { recompute }).saved;
    expect(saved(true)).toBeLessThan(saved(false) / 5);
  });

  it('know what an ablation trains', () => {
    // The image encoder and its momentum are variables then (docs/method.md, 4.1); its gradients all wait for the last step.
    const tower = 4 * 86_192_640;
    const [paper, full] = [distil(100), distil(100, { train: 'all' })];
    expect((full.variables - paper.variables) / (2 * tower)).toBeCloseTo(1, 2);
    expect((paper.constants - full.constants) / tower).toBeCloseTo(1, 2);
    expect(full.saved + full.workspace).toBeGreaterThan(tower);
    // A third layer: 590,592 weights and 1,536 of BatchNorm with momentum, and 1,536 of its statistics; and the largest value
    // of each of these six tensors.
    expect(distil(100, { projectionLayers: 3 }).variables - paper.variables).toBe(
      4 * (2 * 592_128 + 1536 + 6),
    );
    expect(distil(100, { textFeatures: 'student' }).constants - paper.constants).toBe(4 * 100 * 512);
    expect(tune(50, { method: 'coop' }).flops).toBeLessThan(tune(50, { batch: 32 }).flops);
  });
});
