/** Training steps of both stages with random weights and images: what a run of these sizes will take. */
import type { Capabilities } from '../../engine/capabilities.js';
import type { Gpu } from '../../engine/gpu/gpu.js';
import {
  alternate,
  median,
  planRunner,
  type Repetition,
  type Timing,
  warmUpFor,
} from '../../engine/gpu/measure.js';
import { releaseAll } from '../../engine/gpu/memory.js';
import { Plan } from '../../engine/gpu/plan.js';
import { type KernelTime, profile } from '../../engine/gpu/profile.js';
import type { PlanRequest } from '../../engine/gpu/schedule.js';
import type { ClipConfig } from '../../models/clip/config.js';
import { activationDtype, type Precision } from '../../models/clip/precision.js';
import { defaultStudent, defaultTeacher } from '../../models/promptkd/shared/defaults.js';
import { usualTeacher } from '../../models/promptkd/shared/teacher.js';
import { teacherRequest } from '../../models/promptkd/stage1/plan.js';
import { studentRequests } from '../../models/promptkd/stage2/plan.js';
import { fillLeaves } from './kernels.js';
import { modelNamed } from './models.js';

/** Settings that steps are timed with; all others are the defaults of `teacher` and `distill`. */
export interface StepShape {
  /** Classes of the step. */
  readonly classes: number;
  readonly batch: number;
  readonly precision?: Precision;
  readonly recompute?: boolean;
}

/** The steps of both stages, and the student's evaluation, as runs of these models compile them. */
export function stepRequests(
  teacher: ClipConfig,
  student: ClipConfig,
  { classes, ...settings }: StepShape,
  capabilities?: Capabilities,
): { readonly teacher: PlanRequest; readonly student: ReturnType<typeof studentRequests> } {
  const sizes = { classes, capabilities };
  return {
    teacher: teacherRequest(teacher, defaultTeacher(teacher, settings), sizes),
    student: studentRequests(usualTeacher(teacher), student, defaultStudent(student, settings), sizes),
  };
}

/** Which steps are timed. */
export interface StepOptions {
  /** Names of models. */
  readonly teacher: string;
  readonly student: string;
  readonly shape: StepShape;
}

/** What a step took. */
export interface StepRow {
  readonly stage: 1 | 2;
  /** How the step was run, where ways are compared. */
  readonly mode?: string;
  readonly models: string;
  readonly batch: number;
  readonly classes: number;
  /** Of matrices. */
  readonly dtype: Precision;
  readonly activations: Precision;
  readonly timing: Timing;
  readonly flops: number;
  readonly dispatches: number;
  readonly bytes: number;
  /** Microseconds that queueing a step takes the host, divided by its dispatches. */
  readonly hostMicroseconds?: number;
}

interface Stage {
  readonly stage: 1 | 2;
  readonly models: string;
  readonly request: PlanRequest;
}

function stages({ capabilities }: Gpu, { teacher, student, shape }: StepOptions): Stage[] {
  const steps = stepRequests(modelNamed(teacher), modelNamed(student), shape, capabilities);
  return [
    { stage: 1, models: teacher, request: steps.teacher },
    { stage: 2, models: `${teacher} to ${student}`, request: steps.student.train },
  ];
}

/**
 * The compiled step of each stage asked for, with what its row says of it. One after the other, each released before the
 * next: large models need the whole memory.
 */
async function* compiledSteps(gpu: Gpu, options: StepOptions, wanted: readonly number[]) {
  const { batch, classes, precision = 'f32' } = options.shape;
  const activations = activationDtype(precision, gpu.capabilities);
  for (const { stage, models, request } of stages(gpu, options).filter((s) => wanted.includes(s.stage))) {
    fillLeaves(gpu, request);
    const plan = await Plan.compile(gpu, request);
    const { flops, dispatches, total } = plan.describe();
    const sizes = { batch, classes, dtype: precision, activations, flops, dispatches, bytes: total };
    yield { plan, row: { stage, models, ...sizes } };
    plan.destroy();
    releaseAll(gpu);
  }
}

/** Times a step of each stage asked for (default: both). */
export async function measureSteps(
  gpu: Gpu,
  options: StepOptions,
  repetition: Repetition,
  wanted: readonly number[] = [1, 2],
): Promise<StepRow[]> {
  const rows: StepRow[] = [];
  for await (const { plan, row } of compiledSteps(gpu, options, wanted)) {
    const [timing] = await alternate([planRunner(gpu, plan)], repetition);
    rows.push({ ...row, timing: timing!, hostMicroseconds: await hostCost(plan, 9) });
  }
  return rows;
}

/** What the kernels of a step took. */
export interface ProfileRow extends Omit<StepRow, 'timing' | 'hostMicroseconds' | 'mode'> {
  /** Most time first. */
  readonly kernels: readonly KernelTime[];
  /** Of whole steps, one after the other. */
  readonly step: Timing;
}

/** Where the time of a step of each stage asked for goes. */
export async function profileSteps(
  gpu: Gpu,
  options: StepOptions,
  repeats: number,
  wanted: readonly number[] = [1, 2],
): Promise<ProfileRow[]> {
  const rows: ProfileRow[] = [];
  for await (const { plan, row } of compiledSteps(gpu, options, wanted)) {
    const [step] = await alternate([planRunner(gpu, plan)], { repeats, leastMs: 1, warmMs: warmUpFor(gpu) });
    const kernels = await profile(gpu, plan, repeats);
    rows.push({ ...row, kernels, step: step! });
  }
  return rows;
}

/**
 * Microseconds a dispatch that `plan.run()` takes before it returns, with nothing else queued: encoding and submitting. The
 * median of `repeats`.
 */
export async function hostCost(plan: Plan, repeats: number): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < repeats; i++) {
    const started = performance.now();
    plan.run();
    times.push(performance.now() - started);
    await plan.finish();
  }
  return (1000 * median(times)) / plan.launches.length;
}
