/**
 * What holds whole runs of both stages together: kept features are those of the crops that the step sees, prompts are averaged with
 * the weights of their own epochs, and what a run compiles is what a dry run plans.
 */
import { join } from 'node:path';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { planStep } from '../../../cli/dryRun.js';
import { nodePlatform } from '../../../cli/platform/node.js';
import type { Job } from '../../../models/job.js';
import {
  parseSettings,
  StudentSettingsSchema,
  TeacherSettingsSchema,
} from '../../../models/promptkd/shared/settings.js';
import { runTeacher } from '../../../models/promptkd/stage1/run.js';
import type * as TeacherStep from '../../../models/promptkd/stage1/step.js';
import { runStudent } from '../../../models/promptkd/stage2/run.js';
import type * as StudentStep from '../../../models/promptkd/stage2/step.js';
import { relativeError } from '../../helpers/check.js';
import { temporaryFolder } from '../../helpers/files.js';
import { testJob } from '../../helpers/job.js';
import { metricsOf, tensorsOf, withEpochEnds } from '../../helpers/runFiles.js';
import { makeTinyWorld, type TinyWorld } from '../../helpers/tinyWorld.js';

/** Makes steps compute what a run would have kept: the crops stay fixed. */
const always = vi.hoisted(() => ({ computed: false }));
vi.mock('../../../models/promptkd/stage1/step.js', async (original) => {
  const actual = await original<typeof TeacherStep>();
  const teacherGraph: typeof actual.teacherGraph = (model, prompts, classes, options) =>
    actual.teacherGraph(model, prompts, classes, { ...options, ...(always.computed && { views: 0 }) });
  return { ...actual, teacherGraph };
});
vi.mock('../../../models/promptkd/stage2/step.js', async (original) => {
  const actual = await original<typeof StudentStep>();
  const teacherFeatureOrigin: typeof actual.teacherFeatureOrigin = (settings) =>
    always.computed ? 'step' : actual.teacherFeatureOrigin(settings);
  return { ...actual, teacherFeatureOrigin };
});

const folder = temporaryFolder('wiring');
const at = (...parts: string[]) => join(folder, ...parts);
let world: TinyWorld;
beforeAll(async () => {
  world = await makeTinyWorld(folder);
});

const common = { batch: 4, epochs: 3, learningRate: 0.05 };
const teacherFlags = () => ({ ...common, clip: world.teacherClip, data: world.data });
const studentFlags = () => ({ ...common, clip: world.studentClip, data: world.data, teacher: at('teacher') });

/** What a run says of the step that it compiled. */
interface Compiled {
  readonly dispatches: number;
  readonly flops: number;
  readonly bytes: number;
}

async function run(stage: 'teacher' | 'student', out: string, flags: object, job?: Job): Promise<Compiled> {
  const marks = new Map<string, object>();
  const watched: Job = {
    ...(job ?? (await testJob())),
    mark: (name, details = {}) => void marks.set(name, details),
  };
  if (stage === 'teacher')
    await runTeacher(watched, parseSettings(TeacherSettingsSchema, flags, 'test'), out);
  else await runStudent(watched, parseSettings(StudentSettingsSchema, flags, 'test'), out);
  return marks.get('compiled') as Compiled;
}

/** Every number of the metrics is the same but for rounding. */
function expectSameMetrics(found: string, expected: string): void {
  const [a, b] = [metricsOf(found), metricsOf(expected)];
  expect(a).toHaveLength(b.length);
  for (const [i, line] of b.entries())
    for (const [name, value] of Object.entries(line))
      expect(Math.abs(a[i]![name]! - value), `${name} of line ${i + 1}`).toBeLessThan(
        1e-4 * Math.max(1e-3, Math.abs(value)),
      );
}

/** The same run with kept features and with those that each step computes, from the same crops. */
async function expectKept(stage: 'teacher' | 'student', flags: object): Promise<void> {
  // None of them is the default, so that each must reach both.
  const crops = { views: 2, seed: 2, cropSeed: 7, cropScale: 0.5 };
  const names = [`${stage}-kept`, `${stage}-computed`].map((name) => at(name)) as [string, string];
  await run(stage, names[0], { ...flags, ...crops });
  always.computed = true;
  try {
    await run(stage, names[1], { ...flags, ...crops });
  } finally {
    always.computed = false;
  }
  expectSameMetrics(...names);
}

describe('a run of stage 1', () => {
  it('averages the prompts that its epochs end with, each by the Gaussian weight of its epoch', async () => {
    const { job, ends } = withEpochEnds(await testJob());
    const settings = { averageMean: 2, averageDeviation: 0.8 };
    await run('teacher', at('teacher'), { ...teacherFlags(), ...settings }, job);
    expect([...ends.keys()]).toEqual([1, 2, 3]);
    const weights = [1, 2, 3].map((epoch) => Math.exp(-0.5 * ((epoch - 2) / 0.8) ** 2));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    const averaged = await tensorsOf(at('teacher', 'teacher.safetensors'));
    expect([...averaged.keys()].sort()).toEqual(['text.0', 'vision.0']);
    for (const [name, found] of averaged) {
      const expected = Float64Array.from(found, (_, i) =>
        weights.reduce((sum, weight, e) => sum + (weight / total) * ends.get(e + 1)!.get(name)![i]!, 0),
      );
      expect(relativeError(found, expected), name).toBeLessThan(1e-6);
      // The epochs differ by far more than that.
      expect(relativeError(ends.get(1)!.get(name)!, expected), name).toBeGreaterThan(1e-3);
    }
  });

  it("sees the frozen features of its own epoch's crops", () => expectKept('teacher', teacherFlags()));
});

describe('a run of stage 2', () => {
  it("sees the teacher's features of its own epoch's crops", () => expectKept('student', studentFlags()));
});

describe('a run compiles what a dry run plans', () => {
  it.each<['teacher' | 'student', object]>([
    ['teacher', { epochs: 1 }],
    ['teacher', { epochs: 1, views: 2, recompute: true, textLength: 5, visionLength: 2 }],
    ['teacher', { epochs: 1, method: 'coop', classes: 'all', accumulate: 2, textLength: 3 }],
    ['teacher', { epochs: 1, method: 'ivlp', precision: 'f16', contextInit: 'one small picture of a' }],
    ['student', { epochs: 1 }],
    ['student', { epochs: 1, views: 2, recompute: true, visionLength: 7, kdLoss: 'symmetric-kl' }],
    ['student', { epochs: 1, textFeatures: 'student', train: 'all', accumulate: 2 }],
    ['student', { epochs: 1, kdLoss: 'mse', projectionLayers: 3, precision: 'f16', teacherCache: 'cache' }],
  ])('%s with %j', async (stage, more) => {
    const flags = {
      ...(stage === 'teacher' ? teacherFlags() : studentFlags()),
      ...more,
      ...('teacherCache' in more && { teacherCache: at('cache') }),
    };
    const { gpu } = await testJob();
    const { plan } = await planStep(nodePlatform, stage, { ...flags, dryRun: true }, gpu.capabilities);
    const compiled = await run(stage, at(`${stage}-${JSON.stringify(more).replace(/\W+/g, '-')}`), flags);
    expect(compiled).toMatchObject({
      dispatches: plan.dispatches,
      flops: plan.flops,
      bytes: plan.total,
    });
  });
});
