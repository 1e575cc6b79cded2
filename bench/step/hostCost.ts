/**
 * `bench host`: host time to queue a planned step, in microseconds per dispatch. Dawn's null backend does nothing, which leaves the
 * cost of the binding and of Dawn's own checks. On the adapter, `submit` also includes the driver.
 */

import { type Gpu, openGpu } from '../../engine/gpu/gpu.js';
import { releaseAll } from '../../engine/gpu/memory.js';
import { Plan } from '../../engine/gpu/plan.js';
import { number } from '../../models/numbers.js';
import { type Flags, withReport } from '../command.js';
import { markdownTable } from '../table.js';
import { fillLeaves } from '../workloads/kernels.js';
import { modelNamed } from '../workloads/models.js';
import { hostCost, stepRequests } from '../workloads/steps.js';

/** Host time of a step on a backend. */
export interface HostRow {
  readonly step: string;
  readonly backend: string;
  readonly dispatches: number;
  /** Microseconds per dispatch; the median of `repeats` steps. */
  readonly microseconds: number;
  readonly repeats: number;
}

const GOAL = { reach: 10, stretch: 5 };

/** Times steps with as many dispatches as those of ViT-L/14 and ViT-B/16, but small tensors, so that the host dominates. */
async function measure(gpu: Gpu, backend: string, repeats: number): Promise<HostRow[]> {
  const [teacher, student] = [modelNamed('deep-teacher'), modelNamed('deep-student')];
  const requests = stepRequests(teacher, student, { classes: 10, batch: 2 });
  const steps = [
    ['stage 1', requests.teacher],
    ['stage 2', requests.student.train],
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

/** Runs `bench host` and returns its report. */
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
        head: ['step', 'backend', 'dispatches', 'us per dispatch', 'steps'],
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
