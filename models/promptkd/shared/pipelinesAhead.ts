/**
 * Pipelines of both stages, asked for as soon as the architectures are known: a GPU's compiler takes some 90 ms for each, one after
 * the other, while the host reads and uploads weights. They hardly depend on sizes, so a guess of what is not known yet will do.
 */
import type { Gpu } from '../../../engine/gpu/gpu.js';
import { prefetchPipelines } from '../../../engine/gpu/plan.js';
import type { PlanRequest } from '../../../engine/gpu/schedule.js';
import type { ClipConfig } from '../../clip/config.js';
import type { Job } from '../../job.js';
import type { ResolvedStudent, ResolvedTeacher } from './defaults.js';
import { type StepShape, studentRequests, teacherRequest, textRequest } from './shapes.js';

/** Classes where a data set names none. */
const SOME_CLASSES = 100;

/** For stage 1: the text encoder over the templates of the frozen features, then the step. */
export function teacherPipelinesAhead(
  job: Job,
  config: ClipConfig,
  settings: ResolvedTeacher,
  classes: number,
): void {
  const shape = teacherShape(job, settings, classes);
  ahead(job.gpu, [
    ...(settings.method === 'promptsrc' ? [() => textRequest(config, shape)] : []),
    () => teacherRequest(config, shape),
  ]);
}

/** What decides the size of stage 1's step. */
export function teacherShape(
  { gpu: { capabilities }, precision }: Job,
  { batch, method, recompute, accumulate }: ResolvedTeacher,
  classes: number,
): StepShape {
  return { batch, classes, precision, capabilities, method, recompute, accumulate };
}

/** For stage 2: the text encoder where class vectors are not given, then the step. */
export function studentPipelinesAhead(
  job: Job,
  teacher: ClipConfig,
  student: ClipConfig,
  settings: ResolvedStudent,
  classes: number,
): void {
  const shape = studentShape(job, settings, classes);
  ahead(job.gpu, [
    ...(settings.classVectors === undefined ? [() => textRequest(teacher, shape)] : []),
    () => studentRequests(teacher, student, shape).train,
  ]);
}

/** What decides the size of stage 2's step. */
export function studentShape(
  { gpu: { capabilities }, precision }: Job,
  settings: ResolvedStudent,
  classes: number,
): StepShape {
  const { batch, train, projectionLayers, textFeatures, kdLoss, recompute, accumulate, visionDepth } =
    settings;
  return {
    ...{ batch, train, projectionLayers, textFeatures, kdLoss, recompute, accumulate },
    ...{ precision, capabilities },
    classes: classes || SOME_CLASSES,
    ...(train === 'prompts' && { depth: visionDepth }),
  };
}

/** What does not fit together is reported by the job itself, in better words. */
function ahead(gpu: Gpu, requests: readonly (() => PlanRequest)[]): void {
  // CPU adapters compile for each size, on the cores that load the weights.
  if (gpu.adapter.software) return;
  try {
    for (const request of requests) prefetchPipelines(gpu, request());
  } catch {
    // Nothing is lost but time.
  }
}
