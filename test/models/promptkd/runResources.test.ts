/** What a run takes of its device: pipelines made before they are needed, memory that it gives back, and the batch that would fit. */
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { planStep } from '../../../cli/dryRun.js';
import { nodePlatform } from '../../../cli/platform/node.js';
import { OutOfMemoryError } from '../../../engine/errors.js';
import { Plan } from '../../../engine/gpu/plan.js';
import { type PlanRequest, Schedule } from '../../../engine/gpu/schedule.js';
import { kernelKey } from '../../../engine/kernels/kernelSource.js';
import { loadDataset } from '../../../models/datasets/loadDataset.js';
import { encodeClassVectors } from '../../../models/promptkd/classVectors/classVectors.js';
import { makeClassVectors } from '../../../models/promptkd/classVectors/makeClassVectors.js';
import { loadTeacher } from '../../../models/promptkd/files/loadTeacher.js';
import { Classifier } from '../../../models/promptkd/use/classifier.js';
import { temporaryFolder } from '../../helpers/files.js';
import { testJob } from '../../helpers/job.js';
import { makeTinyRuns, type TinyRun } from '../../helpers/tinyRuns.js';
import type { TinyWorld } from '../../helpers/tinyWorld.js';

/** What is asked for ahead of its use, in place of doing it: a CPU adapter would not. */
const ahead = vi.hoisted(() => ({ requests: [] as (() => unknown)[] }));
vi.mock('../../../models/promptkd/shared/pipelinesAhead.js', () => ({
  pipelinesAhead: (_gpu: unknown, requests: (() => unknown)[]) => void ahead.requests.push(...requests),
}));

const folder = temporaryFolder('run-resources');
const at = (...parts: string[]) => join(folder, ...parts);
let world: TinyWorld;
let runs: Record<'teacher' | 'student', TinyRun>;
let vectors: string;
beforeAll(async () => {
  const { world: made, ...stages } = await makeTinyRuns(folder);
  [world, runs] = [made, stages];
  const job = await testJob();
  const teacher = await loadTeacher(job, at('teacher'));
  const file = encodeClassVectors(await makeClassVectors(job, teacher, world.classNames));
  teacher.model.release();
  vectors = at('vectors.safetensors');
  await nodePlatform.write(vectors, file);
});

/** What was compiled, in order; `fail` may refuse it. */
const compiled: PlanRequest[] = [];
let fail: (request: PlanRequest) => void;
const compile = Plan.compile;
beforeEach(() => {
  compiled.length = 0;
  ahead.requests.length = 0;
  fail = () => {};
  vi.spyOn(Plan, 'compile').mockImplementation(async (gpu, request, options) => {
    fail(request);
    compiled.push(request);
    return compile.call(Plan, gpu, request, options);
  });
});
afterEach(() => void vi.restoreAllMocks());

const common = { batch: 4, epochs: 1, learningRate: 0.05 };
const isStep = (request: PlanRequest) => request.loss !== undefined;

it.each<['teacher' | 'student', number, object]>([
  ['teacher', 2, {}],
  ['teacher', 1, { method: 'ivlp' }],
  ['student', 2, {}],
  ['student', 1, { classVectors: 'a file' }],
  ['teacher', 2, { views: 2, accumulate: 2 }],
  [
    'student',
    2,
    { views: 2, accumulate: 2, train: 'all', evalEvery: 1, select: 'val', selectClasses: 'all' },
  ],
  ['student', 2, { textFeatures: 'student', teacherCache: at('cache') }],
])(
  'a run of the %s asks ahead for the kernels of its step and of %i plan(s) in all: %j',
  async (stage, count, more) => {
    const { gpu } = await testJob();
    const given = { ...common, ...more, ...('classVectors' in more && { classVectors: vectors }) };
    const before = gpu.held;
    await runs[stage](`ahead-${stage}-${Object.keys(more).join('-')}`, given);
    expect(gpu.held, 'bytes that are held').toBe(before);

    // As on GPUs, whose kernels are the same for all sizes.
    const capabilities = { ...gpu.capabilities, software: false };
    const kernels = (request: PlanRequest) =>
      new Set(new Schedule(request, capabilities).sources().map(kernelKey));
    const asked = ahead.requests.map((request) => kernels(request() as PlanRequest));
    expect(asked).toHaveLength(count);
    const [step, ...others] = compiled.filter(isStep);
    expect(others).toEqual([]);
    expect(asked.at(-1)).toEqual(kernels(step!));
    const all = new Set(compiled.flatMap((request) => [...kernels(request)]));
    for (const some of asked) expect([...some].filter((kernel) => !all.has(kernel))).toEqual([]);
  },
);

it.each(['teacher', 'student'] as const)(
  'a step of the %s that does not fit names the largest batch that does',
  async (stage) => {
    const { gpu } = await testJob();
    const files = {
      teacher: { clip: world.teacherClip },
      student: { clip: world.studentClip, teacher: at('teacher') },
    };
    const bytes = async (batch: number) => {
      const flags = { ...common, ...files[stage], data: world.data, batch, dryRun: true as const };
      return (await planStep(nodePlatform, stage, flags, gpu.capabilities)).plan.total;
    };
    const need = { needed: await bytes(7), available: await bytes(5) };
    fail = (request) => {
      if (isStep(request)) throw new OutOfMemoryError('full', undefined, need);
    };
    const before = gpu.held;
    await expect(runs[stage](`full-${stage}`, { ...common, batch: 7 })).rejects.toMatchObject({
      message: 'full',
      hint: expect.stringMatching(/^use --batch 5,/),
    });
    expect(gpu.held).toBe(before);
  },
);

it('a classifier of a run gives its memory back', async () => {
  const job = await testJob();
  await runs.student('classified', common);
  const data = await loadDataset(nodePlatform, world.data);
  const before = job.gpu.held;
  for (const run of ['teacher', 'classified']) {
    const classifier = await Classifier.ofRun(job, at(run), world.classNames);
    await classifier.evaluate(job, data, 'test');
    expect(job.gpu.held).toBeGreaterThan(before);
    classifier.destroy();
    expect(job.gpu.held, run).toBe(before);
  }
});
