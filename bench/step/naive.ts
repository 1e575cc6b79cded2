/**
 * Stage 2 without the optimisations of the engine, removed one after the other: fusion, the plan, and stored class vectors. The
 * published code encodes its class prompts, all 77 tokens of them, in every step.
 */
import type { Gpu } from '../../engine/gpu/gpu.js';
import { alternate, planRunner, type Repetition, type Runner } from '../../engine/gpu/measure.js';
import { releaseAll } from '../../engine/gpu/memory.js';
import { Plan } from '../../engine/gpu/plan.js';
import type { PlanRequest } from '../../engine/gpu/schedule.js';
import { constant, input, type Tensor } from '../../engine/graph/tensor.js';
import { l2Normalize } from '../../engine/ops/l2Normalize.js';
import type { ClipConfig } from '../../models/clip/config.js';
import { shapeOnlyModel } from '../../models/clip/shapeOnly.js';
import { encodeText } from '../../models/clip/text.js';
import { shapeOnlyPrompts } from '../../models/promptkd/shared/prompts.js';
import { usualTeacher } from '../../models/promptkd/shared/teacher.js';
import { fillLeaves } from '../workloads/kernels.js';
import { modelNamed } from '../workloads/models.js';
import { type StepOptions, type StepRow, stepRequests } from '../workloads/steps.js';
import { unfused } from './unfused.js';

/** The variant that users run. */
export const PLANNED = 'planned';
/** The variant without any of the optimisations. */
export const NAIVE = 'and the class prompts encoded untrimmed in every step';

/** The teacher's class vectors from whole class prompts, `[classes, embed]`. */
function untrimmedText(config: ClipConfig, classes: number): Tensor {
  const { width, contextLength } = config.text;
  const prompts = shapeOnlyPrompts('text', usualTeacher(config).text, config);
  const embedded = constant(undefined, [classes, contextLength, width], 'embedded classes');
  const endRows = input([classes], 'end-of-text rows', 'i32');
  return l2Normalize(encodeText(shapeOnlyModel(config).weights, config, embedded, endRows, prompts));
}

/** Steps that are recorded, scheduled and given buffers and bind groups each time. Pipelines are kept, as in any framework. */
const unplanned = (gpu: Gpu, request: PlanRequest): Runner => ({
  async run(count) {
    const started = performance.now();
    for (let i = 0; i < count; i++) {
      const plan = await Plan.compile(gpu, unfused(request), { fuse: false });
      plan.run();
      await plan.finish();
      plan.destroy();
    }
    return performance.now() - started;
  },
});

/** Times the four variants in turns; the first is the one that users run. */
export async function measureNaive(
  gpu: Gpu,
  options: StepOptions,
  repetition: Repetition,
): Promise<StepRow[]> {
  const { teacher, student, shape } = options;
  const large = modelNamed(teacher);
  const step = stepRequests(large, modelNamed(student), shape).student.train;
  const withText: PlanRequest = { ...step, outputs: [...step.outputs!, untrimmedText(large, shape.classes)] };
  fillLeaves(gpu, withText);
  const planned = await Plan.compile(gpu, step);
  const apart = await Plan.compile(gpu, unfused(step), { fuse: false });
  const sizes = [planned, apart, apart, await Plan.compile(gpu, unfused(withText), { fuse: false })];
  const runners = [
    planRunner(gpu, planned),
    planRunner(gpu, apart),
    unplanned(gpu, step),
    unplanned(gpu, withText),
  ];
  const modes = [PLANNED, 'without fusion', 'without fusion and plan', NAIVE];
  const timings = await alternate(runners, repetition);
  const rows = modes.map((mode, i): StepRow => {
    const { flops, dispatches, total } = sizes[i]!.describe();
    return {
      stage: 2,
      mode,
      models: `${teacher} to ${student}`,
      batch: shape.batch,
      classes: shape.classes,
      dtype: shape.precision ?? 'f32',
      activations: 'f32',
      timing: timings[i]!,
      flops,
      dispatches,
      bytes: total,
    };
  });
  for (const plan of new Set(sizes)) plan.destroy();
  releaseAll(gpu);
  return rows;
}
