/** Thousands of steps of both stages: nothing that a run holds may grow with the steps that it has behind it. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openImagePool } from '../../cli/platform/imagePool.js';
import { nodePlatform } from '../../cli/platform/node.js';
import { openGpu } from '../../engine/gpu/gpu.js';
import type { Job } from '../../models/job.js';
import {
  parseSettings,
  StudentSettingsSchema,
  TeacherSettingsSchema,
} from '../../models/promptkd/shared/settings.js';
import { runTeacher } from '../../models/promptkd/stage1/run.js';
import { runStudent } from '../../models/promptkd/stage2/run.js';
import { makeTinyWorld } from '../helpers/tinyWorld.js';
import type { Outcome, TortureOptions } from './kit.js';
import { growth, least, readUsage, type Usage, watchBuffers } from './usage.js';

/** How many steps a look takes: what is under way at one of them does not count. */
const WINDOW = 40;
/** The step of the first look, where there are enough. */
const FIRST_LOOK = 500;
const worker = fileURLToPath(new URL('../../dist/cli/platform/imageWorker.js', import.meta.url));

/** Runs `work` with a job whose steps are watched; the usage around the first look and at the last step. */
async function watched(
  label: string,
  { first, steps }: { first: number; steps: number },
  workers: number,
  note: (line: string) => void,
  work: (job: Job, silent: Job) => Promise<unknown>,
): Promise<{ early: Usage; late: Usage }> {
  const gpu = await openGpu();
  const buffers = watchBuffers(gpu);
  const pool = openImagePool(nodePlatform, workers, worker);
  const samples = { early: [] as Usage[], late: [] as Usage[] };
  const look = (done: number) => {
    if (done > first - WINDOW && done <= first) samples.early.push(readUsage(buffers));
    if (done > steps - WINDOW) samples.late.push(readUsage(buffers));
    if (done % 500 === 0) note(`${label}: step ${done}: ${JSON.stringify(readUsage(buffers))}`);
  };
  const update = (bar: string) => (done: number) => {
    if (bar.startsWith(label)) look(done);
  };
  try {
    const job = (watch: boolean): Job => ({
      gpu,
      platform: pool.platform,
      begin: (bar) => ({ update: watch ? update(bar) : () => {}, end: () => {} }),
      note: () => {},
    });
    await work(job(true), job(false));
  } finally {
    await pool.close();
    gpu.destroy();
  }
  return { early: least(samples.early), late: least(samples.late) };
}

/**
 * `count`: steps, in many short epochs, as what grows with epochs must not either. A shorter run goes before the one that is
 * watched: allocators, compilers and the collectors of decoding threads come to their size in it.
 */
export async function long(folder: string, { count, seed, note }: TortureOptions): Promise<Outcome> {
  const steps = Math.max(count, 4 * WINDOW);
  const first = Math.min(FIRST_LOOK, Math.floor(steps / 2));
  const before = Math.min(steps, 4 * first);
  const world = await makeTinyWorld(folder, { train: 8 });
  const common = { data: world.data, visionDepth: 1, batch: 2, seed };
  // Two base classes of eight images in stage 1, four classes in stage 2.
  const teacher = (steps: number) =>
    parseSettings(
      TeacherSettingsSchema,
      { ...common, clip: world.teacherClip, shots: 8, textDepth: 1, epochs: Math.ceil(steps / 8) },
      'test',
    );
  const student = (steps: number) =>
    parseSettings(
      StudentSettingsSchema,
      { ...common, clip: world.studentClip, teacher: join(folder, 'teacher'), epochs: Math.ceil(steps / 16) },
      'test',
    );
  const failures: string[] = [];
  const remarks: string[] = [];
  const check = (stage: string, { early, late }: { early: Usage; late: Usage }) => {
    const grown = growth(early, late);
    if (grown) failures.push(`seed ${seed}: ${stage}: ${grown}`);
    const change = (100 * late.resident) / early.resident - 100;
    remarks.push(`${stage}: resident ${change < 0 ? '' : '+'}${change.toFixed(1)} %`);
  };
  check(
    'stage 1',
    await watched('stage 1', { first, steps }, 0, note, async (job, silent) => {
      await runTeacher(silent, teacher(before), join(folder, 'teacher'));
      await runTeacher(job, teacher(steps), join(folder, 'long-teacher'));
    }),
  );
  check(
    'stage 2',
    await watched('stage 2', { first, steps }, 1, note, async (job, silent) => {
      await runStudent(silent, student(before), join(folder, 'student'));
      await runStudent(job, student(steps), join(folder, 'long-student'));
    }),
  );
  return { tried: 2, passed: 2 - failures.length, failures, remark: remarks.join(', ') };
}
