/** The sizes at which a training step is timed. */
import type { StepOptions } from '../../bench/workloads/steps.js';
import type { Gpu } from '../../engine/gpu/gpu.js';
import type { Precision } from '../../models/clip/precision.js';

/** Flags that decide the size of a training step. */
export interface StepFlags {
  readonly model?: string;
  readonly teacher?: string;
  readonly classes?: number;
  readonly batch: number;
  readonly precision?: Precision;
  readonly quick?: boolean;
}

/** Models and classes of a step: the demo's pair on software adapters, the paper's models on a GPU. */
export function stepSizes(
  gpu: Gpu,
  { model, teacher, classes, batch, precision, quick }: StepFlags,
): StepOptions {
  const small = quick || gpu.capabilities.software;
  return {
    student: model ?? (small ? 'emoji-student' : 'ViT-B/16'),
    teacher: teacher ?? (small ? 'emoji-teacher' : 'ViT-L/14'),
    shape: { classes: classes ?? (small ? 28 : 100), batch, precision },
  };
}
