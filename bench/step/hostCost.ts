/**
 * `bench host`: what queueing a planned step costs the host, in microseconds a dispatch. Dawn's null backend takes every call
 * and does nothing: that is the binding and Dawn's own checks. On the adapter `submit` also makes the driver's commands of them.
 */
import { number } from '../../cli/terminal/numbers.js';
import { type Gpu, openGpu } from '../../engine/gpu/gpu.js';
import { releaseAll } from '../../engine/gpu/memory.js';
import { Plan } from '../../engine/gpu/plan.js';
import { studentRequests, teacherRequest } from '../../models/promptkd/shared/shapes.js';
import { type Flags, withReport } from '../command.js';
import { markdownTable } from '../table.js';
import { fillLeaves } from '../workloads/kernels.js';
import { modelNamed } from '../workloads/models.js';
import { hostCost } from '../workloads/steps.js';

export interface HostRow {
  readonly step: string;
  readonly backend: string;
  readonly dispatches: number;
  /** A dispatch; the median of `repeats` steps. */
  readonly microseconds: number;
  readonly repeats: number;
}

const GOAL = { reach: 10, stretch: 5 };

/** Steps with as many dispatches as those of ViT-L/14 and ViT-B/16, on small tensors, so that the host is what is measured. */
async function measure(gpu: Gpu, backend: string, repeats: number): Promise<HostRow[]> {
  const [teacher, student] = [modelNamed('deep-teacher'), modelNamed('deep-student')];
  const shape = { classes: 10, batch: 2 };
  const steps = [
    ['stage 1', teacherRequest(teacher, shape)],
    ['stage 2', studentRequests(teacher, student, shape).train],
  ] as const;
  const rows: HostRow[] = [];
  for (const [step, request] of steps) {
    fillLeaves(gpu, request);
    const plan = await Plan.compile(gpu, request);
    await hostCost(plan, 5);
    const microseconds = await hostCost(plan, repeats);
    rows.push({ step, backend, dispatches: plan.launches.length, microseconds, repeats });
    plan.destroy();
    releaseAll(gpu);
  }
  return rows;
}

export const runHostCost = (flags: Flags): Promise<string> =>
  withReport(
    'host',
    flags,
    async (gpu) => {
      const repeats = Math.max(flags.repeats, flags.quick ? 5 : 25);
      const idle = await openGpu({ backend: 'null' });
      try {
        return [
          ...(await measure(idle, 'null', repeats)),
          ...(await measure(gpu, gpu.adapter.backend, repeats)),
        ];
      } finally {
        idle.destroy();
      }
    },
    (rows) =>
      `${markdownTable({
        head: ['step', 'backend', 'dispatches', 'us a dispatch', 'steps'],
        text: 2,
        rows: rows.map((row) => [
          row.step,
          row.backend,
          String(row.dispatches),
          number(row.microseconds),
          String(row.repeats),
        ]),
      })}\nGoal: under ${GOAL.reach} us, stretch ${GOAL.stretch}.\n`,
  );
