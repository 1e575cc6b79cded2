/** The recipe of both stages: what a run says while it goes, and what it leaves behind where it ends early. */
import { existsSync, readdirSync, readFileSync, truncateSync } from 'node:fs';
import { basename, join } from 'node:path';
import { beforeAll, expect, it, vi } from 'vitest';
import { Loader } from '../../../../models/datasets/loader.js';
import type { Job } from '../../../../models/job.js';
import { temporaryFolder } from '../../../helpers/files.js';
import { testJob } from '../../../helpers/job.js';
import { interruptAfterEpoch, makeTinyRuns, type TinyRun } from '../../../helpers/tinyRuns.js';
import { makeTinyWorld, type TinyWorld } from '../../../helpers/tinyWorld.js';

const folder = temporaryFolder('stage-run');
const at = (...parts: string[]) => join(folder, ...parts);
let teacher: TinyRun;
let student: TinyRun;
/** A data set with an image that only decoding shows to be broken. */
let damaged: TinyWorld;
beforeAll(async () => {
  ({ teacher, student } = await makeTinyRuns(folder));
  damaged = await makeTinyWorld(at('damaged'));
  truncateSync(join(damaged.data, '2750', 'acorn', '0.png'), 60);
});

const common = { batch: 4, epochs: 2, learningRate: 0.05 };
/** Without frozen features, which take longer. */
const ivlp = { ...common, method: 'ivlp' };

/** A job that keeps what it is told. */
async function listening(): Promise<{
  job: Job;
  notes: string[];
  marks: string[];
  bars: Map<string, number[]>;
}> {
  const [notes, marks, bars] = [[] as string[], [] as string[], new Map<string, number[]>()];
  const job: Job = {
    ...(await testJob((label, done) => void bars.set(label, [...(bars.get(label) ?? []), done]))),
    note: (line) => void notes.push(line),
    mark: (name) => void marks.push(name),
  };
  return { job, notes, marks, bars };
}

it('marks when weights are there and the step is compiled, and shows how far compiling is', async () => {
  const { job, notes, marks, bars } = await listening();
  await teacher('told', ivlp, { job });
  expect(marks.slice(0, 2)).toEqual(['weights', 'compiled']);
  const parts = bars.get('compiling stage 1')!;
  expect(parts.at(-1)).toBe(1);
  expect(parts).toEqual([...parts].sort((a, b) => a - b));
  expect(parts[0]).toBeGreaterThan(0);
  expect(notes.every((line) => typeof line === 'string' && !line.includes('skipped'))).toBe(true);
});

it('decodes the first images while a new run compiles, and those of another epoch only when it goes on', async () => {
  const starts: [epoch: number, from: number | undefined][] = [];
  const start = Loader.prototype.start;
  const spy = vi.spyOn(Loader.prototype, 'start').mockImplementation(function (this: Loader, epoch, from) {
    starts.push([epoch, from]);
    return start.call(this, epoch, from);
  });
  try {
    const flags = { ...ivlp, classes: 'all' };
    const job = await testJob(interruptAfterEpoch('teacher'));
    await expect(teacher('started', flags, { job })).rejects.toThrow('interrupted');
    expect(starts[0]).toEqual([1, undefined]);
    starts.length = 0;
    await teacher('started', flags, { resume: true });
    expect(starts.map(([epoch]) => epoch)).not.toContain(1);
  } finally {
    spy.mockRestore();
  }
});

it('goes on with a run only where that is asked for', async () => {
  await expect(teacher('teacher', ivlp)).rejects.toThrow(/exists|not empty|holds/);
});

it('has a report where its job writes one, and event files where they are asked for', async () => {
  await teacher('plain', ivlp, { job: { ...(await testJob()), report: undefined } });
  expect(readdirSync(at('plain'))).not.toContain('report.html');
  expect(readdirSync(at('plain'))).not.toContain('tensorboard');
  await teacher('reported', ivlp, { tensorboard: true });
  expect(readFileSync(at('reported', 'report.html'), 'utf8')).toContain('<h1>Stage 1: the teacher</h1>');
  expect(readdirSync(at('reported', 'tensorboard'))).toHaveLength(1);
});

it('leaves broken images out, names them at each checkpoint, and counts them at its end', async () => {
  const { job, notes } = await listening();
  const { begin } = await testJob(interruptAfterEpoch('teacher'));
  const flags = { ...ivlp, data: damaged.data, classes: 'all', shots: 0, maxBroken: 0.5 };
  await expect(teacher('broken', flags, { job: { ...job, begin } })).rejects.toThrow('interrupted');
  expect(existsSync(at('broken', 'checkpoints'))).toBe(true);
  expect(readFileSync(at('broken', 'skipped-images.txt'), 'utf8')).toContain(join('acorn', '0.png'));
  await teacher('broken', flags, { job, resume: true });
  expect(notes.filter((line) => line.includes('skipped-images.txt'))).toHaveLength(1);
});

it('keeps features of the teacher at each checkpoint', async () => {
  const job = await testJob(interruptAfterEpoch('student'));
  const flags = { ...common, teacherCache: at('cache') };
  await expect(student('cached', flags, { job })).rejects.toThrow('interrupted');
  const kept = readdirSync(at('cache'), { recursive: true }).map((name) => basename(String(name)));
  expect(kept.length).toBeGreaterThan(1);
});
