/** A CLIP image encoder with random weights. */
import type { Gpu } from '../../engine/gpu/gpu.js';
import { alternate, planRunner, type Repetition, type Timing } from '../../engine/gpu/measure.js';
import { releaseAll } from '../../engine/gpu/memory.js';
import { Plan } from '../../engine/gpu/plan.js';
import { input } from '../../engine/graph/tensor.js';
import type { ClipConfig } from '../../models/clip/config.js';
import type { Precision } from '../../models/clip/precision.js';
import { shapeOnlyModel } from '../../models/clip/shapeOnly.js';
import { encodeImages } from '../../models/clip/vision.js';
import { fillLeaves } from './kernels.js';

/** What an image encoder took. */
export interface EncoderRow {
  readonly model: string;
  readonly batch: number;
  /** Of matrices. */
  readonly dtype: Precision;
  readonly activations: Precision;
  readonly timing: Timing;
  readonly flops: number;
  readonly dispatches: number;
  /** What the plan needs on the device. */
  readonly bytes: number;
}

/** Times the image encoder of `config` at every batch and precision, in turns. */
export async function measureEncoder(
  gpu: Gpu,
  model: string,
  config: ClipConfig,
  batches: readonly number[],
  precisions: readonly Precision[],
  repetition: Repetition,
): Promise<EncoderRow[]> {
  const { resolution } = config.vision;
  const { capabilities } = gpu;
  const cases = precisions.flatMap((dtype) => {
    const { weights } = shapeOnlyModel(config, { precision: dtype, capabilities });
    return batches.map((batch) => ({ dtype, weights, batch }));
  });
  const plans: Plan[] = [];
  for (const { weights, batch } of cases) {
    const images = input([batch, 3, resolution, resolution], 'images');
    const request = { outputs: [encodeImages(weights, config, images)] };
    fillLeaves(gpu, request);
    plans.push(await Plan.compile(gpu, request));
  }
  const timings = await alternate(
    plans.map((plan) => planRunner(gpu, plan)),
    repetition,
  );
  const rows = plans.map((plan, i) => {
    const { flops, dispatches, total } = plan.describe();
    const { dtype, weights, batch } = cases[i]!;
    return {
      model,
      batch,
      dtype,
      activations: weights.activations,
      timing: timings[i]!,
      flops,
      dispatches,
      bytes: total,
    };
  });
  for (const plan of plans) plan.destroy();
  releaseAll(gpu);
  return rows;
}
