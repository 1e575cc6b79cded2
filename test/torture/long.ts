/** Thousands of steps of both stages: nothing that a run holds may grow with the steps that it has behind it. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nodePlatform } from '../../cli/platform/node.js';
import { openImagePool } from '../../cli/platform/imagePool.js';
import { openGpu } from '../../engine/gpu.js';
import type { Job } from '../../models/job.js';
import { parseSettings, StudentSettingsSchema, TeacherSettingsSchema } from '../../models/promptkd/settings.js';
import { runStudent } from '../../models/promptkd/studentRun.js';
import { runTeacher } from '../../models/promptkd/teacherRun.js';
import { makeTinyWorld } from '../helpers/tinyWorld.js';
import type { Outcome, TortureOptions } from './kit.js';
import { growth, least, readUsage, type Usage, watchBuffers } from './usage.js';

/** Where the first look is taken, and in how many steps before it. */
export const FIRST_LOOK = 500;
const WINDOW = 40;
const worker = fileURLToPath(new URL('../../dist/cli/platform/imageWorker.js', import.meta.url));

/** Runs `work` with a job whose steps are watched; the usage around step 500 and at the last one. */
async function watched(
  label: string,
  steps: number,
  workers: number,
  note: (line: string) => void,
  work: (job: Job) => Promise<unknown>,
): Promise<{ early: Usage; late: Usage }> {
  const gpu = await openGpu();
  const buffers = watchBuffers(gpu);
  const pool = openImagePool(nodePlatform, workers, worker);
  const samples = { early: [] as Usage[], late: [] as Usage[] };
  const look = (done: number) => {
    if (done % 5 !== 0) return;
    if (done > FIRST_LOOK - WINDOW && done <= FIRST_LOOK) samples.early.push(readUsage(buffers));
    if (done > steps - WINDOW) samples.late.push(readUsage(buffers));
    if (done % FIRST_LOOK === 0) note(`${label}: step ${done}: ${JSON.stringify(readUsage(buffers))}`);
  };
  const update = (bar: string) => (done: number) => {
    if (bar.startsWith(label)) look(done);
  };
  try {
    await work({
      gpu,
      platform: pool.platform,
      begin: (bar) => ({ update: update(bar), end: () => {} }),
      note: () => {},
    });
  } finally {
    await pool.close();
    gpu.destroy();
  }
  return { early: least(samples.early), late: least(samples.late) };
}

/** `count`: steps. Two epochs of many steps would hide what grows with epochs, so these are of 16. */
export async function long(folder: string, { count, seed, note }: TortureOptions): Promise<Outcome> {
  const steps = Math.max(count, 2 * FIRST_LOOK);
  const world = await makeTinyWorld(folder, { train: 8 });
  const common = { data: world.data, visionDepth: 1, batch: 2, seed };
  const epochs = (perEpoch: number) => Math.ceil(steps / perEpoch);
  const teacher = parseSettings(
    TeacherSettingsSchema,
    // Two base classes of eight images.
    { ...common, clip: world.teacherClip, shots: 8, textDepth: 1, epochs: epochs(8) },
    'test',
  );
  const student = parseSettings(
    StudentSettingsSchema,
    { ...common, clip: world.studentClip, teacher: join(folder, 'teacher'), epochs: epochs(16) },
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
    await watched('stage 1', steps, 0, note, (job) => runTeacher(job, teacher, join(folder, 'teacher'))),
  );
  check(
    'stage 2',
    await watched('stage 2', steps, 1, note, (job) => runStudent(job, student, join(folder, 'student'))),
  );
  return { tried: 2, passed: 2 - failures.length, failures, remark: remarks.join(', ') };
}
