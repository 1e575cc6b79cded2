/** One bit of a file that a run has written is another: that is noticed, or whatever depends on the file is as before. */
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { loadPreset } from '../../cli/options/presets.js';
import { nodePlatform } from '../../cli/platform/node.js';
import { releaseAll } from '../../engine/gpu/memory.js';
import type { Dataset } from '../../models/datasets/dataset.js';
import { loadDataset } from '../../models/datasets/loadDataset.js';
import type { Job } from '../../models/job.js';
import { Classifier, type RunOptions } from '../../models/promptkd/use/classifier.js';
import { exportRun } from '../../models/promptkd/use/exportRun.js';
import { reproduce } from '../../models/reproduce/reproduce.js';
import { type FlipReport, tryFileFlips } from '../helpers/flips.js';
import { testJob } from '../helpers/job.js';
import { makeTinyWorld } from '../helpers/tinyWorld.js';
import type { Outcome, TortureOptions } from './kit.js';
import { results } from './runs.js';
import { ALWAYS, type TinyRun, tinyRuns } from './tinyRuns.js';

/** How a note says that something is not what was written. */
const WARNING = /damaged|changed|left aside|is gone|computed again|cannot be read|begins anew/;

interface Kind {
  readonly name: string;
  readonly path: string;
  /** Everything that depends on the file, comparable. */
  effect(job: Job): Promise<unknown>;
}

export async function flips(folder: string, { count, seed, note }: TortureOptions): Promise<Outcome> {
  let notes: string[] = [];
  const job: Job = { ...(await testJob()), note: (line) => notes.push(line) };
  const kinds = await makeKinds(folder, job);
  const failures: string[] = [];
  const sums = { noticed: 0, harmless: 0 };
  let tried = 0;
  for (const { name, path, effect } of kinds) {
    const read = async () => {
      notes = [];
      try {
        return await effect(job);
      } finally {
        releaseAll(job.gpu);
      }
    };
    const isNoticed = () => notes.some((line) => WARNING.test(line));
    const report = await tryFileFlips(path, read, { count, seed, isNoticed });
    tried += report.count;
    sums.noticed += report.noticed;
    sums.harmless += report.harmless;
    failures.push(...describe(name, report).map((line) => `seed ${seed}: ${line}`));
    note(`${name}: ${report.noticed} noticed, ${report.harmless} without effect of ${report.count}`);
  }
  return {
    tried,
    passed: sums.noticed + sums.harmless,
    failures,
    remark: `${kinds.length} kinds of files; ${sums.noticed} noticed, ${sums.harmless} without effect`,
  };
}

const describe = (name: string, { silent, crashed }: FlipReport): string[] => [
  ...silent.map(({ at, bit }) => `${name}: bit ${bit} of byte ${at}: another result without a word`),
  ...crashed.map(({ at, bit, error }) => `${name}: bit ${bit} of byte ${at}: ${error}`),
];

async function makeKinds(folder: string, job: Job): Promise<Kind[]> {
  const world = await makeTinyWorld(folder, { train: 4 });
  const at = (...parts: string[]) => join(folder, ...parts);
  const data = await loadDataset(nodePlatform, world.data);
  const cache = at('cache');
  const { teacher, student } = tinyRuns(world, at('teacher'));
  const [stage1, stage2] = [teacher('teacher', { epochs: 2 }), student('student', { epochs: 2 })];
  await stage1.run(job, at('teacher'));
  await stage2.run(job, at('student'));
  const vectors = { classVectors: at('student', 'class-vectors.safetensors') };
  const classifies = (name: string, path: string, run: string, options?: RunOptions): Kind => ({
    name,
    path,
    effect: (job) => logits(job, run, data, options),
  });
  await exportRun(nodePlatform, at('student'), at('student.safetensors'), {
    format: 'safetensors',
    merged: true,
  });
  await exportRun(nodePlatform, at('student'), at('student.pth'), { format: 'pytorch' });
  await exportRun(nodePlatform, at('teacher'), at('teacher.pth'), { format: 'pytorch' });
  const kinds = [
    classifies("a teacher's prompts", at('teacher', 'teacher.safetensors'), at('teacher')),
    classifies("a teacher's settings", at('teacher', 'config.yaml'), at('teacher')),
    classifies("a student's weights", at('student', 'student.safetensors'), at('student')),
    classifies('class vectors', vectors.classVectors, at('student')),
    classifies("a student's settings", at('student', 'config.yaml'), at('student')),
    classifies('an exported student', at('student.safetensors'), at('student.safetensors')),
    classifies('a student for PyTorch', at('student.pth'), at('student.pth'), vectors),
    classifies('a teacher for PyTorch', at('teacher.pth'), at('teacher.pth'), {
      teacherClip: world.teacherClip,
    }),
  ];
  for (const [run, total] of [
    [stage1, 8],
    [stage2, 16],
  ] as const)
    kinds.push(...(await resumed(run, total, at(`stopped ${run.name}`), at('resumed'))));

  const cached = student('student with a teacher cache', { epochs: 2, views: 2, teacherCache: cache });
  await cached.run(job, at('cached'));
  const [owner] = readdirSync(cache);
  const shard = readdirSync(join(cache, owner!)).find((name) => name.endsWith('.safetensors'))!;
  cpSync(cache, at('kept-cache'), { recursive: true });
  kinds.push({
    name: 'a shard of a teacher cache',
    path: at('kept-cache', owner!, shard),
    effect: async (job) => {
      for (const path of [cache, at('again')]) rmSync(path, { recursive: true, force: true });
      cpSync(at('kept-cache'), cache, { recursive: true });
      await cached.run(job, at('again'));
      return results(at('again'));
    },
  });

  const tiny = { epochs: 1, batch: 2, visionDepth: 1 };
  const experiment = {
    preset: await loadPreset(nodePlatform, 'base-to-novel'),
    datasets: ['EuroSAT'],
    seeds: [1],
    data: world.root,
    teacherClip: world.teacherClip,
    studentClip: world.studentClip,
    out: at('reproduction'),
    teacher: { ...tiny, shots: 2, textDepth: 1 },
    student: tiny,
  };
  await reproduce(job, experiment);
  for (const entry of readdirSync(experiment.out, { recursive: true, withFileTypes: true }))
    if (/^(evaluation\.json|reproduce\.yaml|experiment\.yaml)$/.test(entry.name))
      kinds.push({
        name: `${entry.name} of reproduce`,
        path: join(entry.parentPath, entry.name),
        effect: (job) => reproduce(job, experiment),
      });
  return kinds;
}

/** Logits of all test images, as bits. */
async function logits(job: Job, run: string, data: Dataset, options?: RunOptions): Promise<unknown> {
  const classifier = await Classifier.ofRun(job, run, data.classNames, options);
  try {
    const { rows: found } = await classifier.logits(job, data.test, 'flips');
    return [...new Uint32Array(found.buffer, found.byteOffset, found.length)];
  } finally {
    classifier.destroy();
  }
}

/** The files of a run that was stopped before its last update, each with what the run comes to from there. */
async function resumed(run: TinyRun, total: number, stopped: string, out: string): Promise<Kind[]> {
  mkdirSync(stopped, { recursive: true });
  const job = await testJob((label, done) => {
    if (/^stage/.test(label) && done >= total - 1) throw new Error('stopped');
  });
  try {
    await run.run(job, join(stopped, 'run'), { checkpointMinutes: ALWAYS });
  } catch (error) {
    if ((error as Error).message !== 'stopped') throw error;
  }
  releaseAll(job.gpu);
  const checkpoints = join(stopped, 'run', 'checkpoints');
  const names = readdirSync(checkpoints).sort();
  if (names.length !== 2) throw new Error(`${names.length} checkpoints are kept`);
  const files = {
    'the newest checkpoint': join(checkpoints, names[1]!),
    'the checkpoint before it': join(checkpoints, names[0]!),
    'config.yaml': join(stopped, 'run', 'config.yaml'),
    'metrics.jsonl': join(stopped, 'run', 'metrics.jsonl'),
    'timing.jsonl': join(stopped, 'run', 'timing.jsonl'),
  };
  return Object.entries(files)
    .filter(([, path]) => existsSync(path))
    .map(([name, path]) => ({
      name: `${name} of a stopped ${run.name}`,
      path,
      effect: async (job) => {
        rmSync(out, { recursive: true, force: true });
        cpSync(join(stopped, 'run'), out, { recursive: true });
        await run.run(job, out, { resume: true });
        return results(out);
      },
    }));
}
