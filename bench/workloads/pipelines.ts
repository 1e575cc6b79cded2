/** How many pipelines each command makes on a kind of adapter: known without one, from the graphs alone. */
import type { Capabilities } from '../../engine/capabilities.js';
import { PORTABLE } from '../../engine/capabilities.js';
import { type PlanRequest, Schedule } from '../../engine/gpu/schedule.js';
import { input, variable } from '../../engine/graph/tensor.js';
import { kernelId } from '../../engine/kernels/kernelSource.js';
import { accumulate } from '../../engine/train/optim.js';
import type { ClipConfig } from '../../models/clip/config.js';
import type { Precision } from '../../models/clip/precision.js';
import { defaultStudent, defaultTeacher } from '../../models/promptkd/shared/defaults.js';
import { usualTeacher } from '../../models/promptkd/shared/teacher.js';
import { frozenTextRequest, teacherRequest } from '../../models/promptkd/stage1/plan.js';
import { classVectorRequest, studentRequests } from '../../models/promptkd/stage2/plan.js';
import { modelNamed } from './models.js';

/** Adapters that are only described. */
export const DESCRIBED: Readonly<Record<string, Capabilities>> = {
  'GPU with tensor cores': {
    ...PORTABLE,
    level: 'matrix',
    f16: true,
    subgroups: true,
    subgroupSize: [32, 32],
    subgroupMatrix: [
      { componentType: 'f16', resultComponentType: 'f32', M: 16, N: 16, K: 16 },
      { componentType: 'f16', resultComponentType: 'f32', M: 16, N: 8, K: 16 },
    ],
    workgroupMemory: 49152,
    units: 132,
  },
  'GPU with subgroups': {
    ...PORTABLE,
    level: 'subgroups',
    f16: true,
    subgroups: true,
    subgroupSize: [32, 64],
  },
  'GPU, portable': PORTABLE,
};

/** How many pipelines a command makes. */
export interface PipelineRow {
  readonly command: string;
  readonly models: string;
  readonly adapter: string;
  readonly dtype: Precision;
  /** In the order in which a command makes them; each counts what those before it have not made. */
  readonly phases: readonly { readonly name: string; readonly pipelines: number }[];
  readonly pipelines: number;
  readonly dispatches: number;
}

/** The two passes of the image transform (models/images/gpuPreprocess.ts), whose text is not an operation's. */
const PREPROCESSING = 2;

interface Phase {
  readonly name: string;
  readonly requests: readonly PlanRequest[];
  readonly others?: number;
}

/** What `teacher`, `distill` and `demo` run, one phase after the other. */
function phasesOf(
  command: string,
  large: ClipConfig,
  small: ClipConfig,
  precision: Precision,
  sizes: { readonly classes: number; readonly capabilities: Capabilities },
): Phase[] {
  const step = { name: 'step', others: PREPROCESSING };
  const averages = {
    updates: [accumulate(variable(undefined, [4, 4]), variable(undefined, [4, 4]), input([1]))],
  };
  const tuning = defaultTeacher(large, { precision });
  const distilling = defaultStudent(small, { precision });
  const teacher = usualTeacher(large);
  const stage1: Phase[] = [
    { name: 'frozen text', requests: [frozenTextRequest(large, tuning, sizes)] },
    { ...step, requests: [teacherRequest(large, tuning, sizes), averages] },
  ];
  const { train, evaluate } = studentRequests(teacher, small, distilling, sizes);
  const stage2: Phase[] = [
    { name: 'class vectors', requests: [classVectorRequest(teacher, distilling, sizes)] },
    { ...step, requests: [train] },
  ];
  if (command === 'teacher') return stage1;
  if (command === 'distill') return stage2;
  return [
    ...stage1,
    ...stage2.map((phase) => ({ ...phase, others: 0 })),
    { name: 'evaluation', requests: [evaluate] },
  ];
}

const CASES = [
  ['teacher', 'ViT-L/14', 'ViT-B/16'],
  ['distill', 'ViT-L/14', 'ViT-B/16'],
  ['demo', 'emoji-teacher', 'emoji-student'],
] as const;

/** Counts for every command on every described adapter. */
export function countPipelines(precisions: readonly Precision[] = ['f16', 'f32']): PipelineRow[] {
  return CASES.flatMap(([command, teacher, student]) =>
    Object.entries(DESCRIBED).flatMap(([adapter, capabilities]) =>
      precisions.map((dtype): PipelineRow => {
        const sizes = { classes: command === 'demo' ? 28 : 100, capabilities };
        const made = new Set<string>();
        let dispatches = 0;
        let others = 0;
        const planned = phasesOf(command, modelNamed(teacher), modelNamed(student), dtype, sizes);
        const phases = planned.map((phase) => {
          const before = made.size + others;
          others += phase.others ?? 0;
          for (const request of phase.requests) {
            const schedule = new Schedule(request, capabilities);
            dispatches += schedule.dispatches.length;
            for (const dispatch of schedule.dispatches) made.add(kernelId(dispatch, capabilities));
          }
          return { name: phase.name, pipelines: made.size + others - before };
        });
        const models = command === 'teacher' ? teacher : `${teacher} to ${student}`;
        return { command, models, adapter, dtype, phases, pipelines: made.size + others, dispatches };
      }),
    ),
  );
}
