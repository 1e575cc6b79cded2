/** Runs of both stages on a tiny world. */
import { join } from 'node:path';
import type { Job } from '../../models/job.js';
import {
  parseSettings,
  StudentSettingsSchema,
  TeacherSettingsSchema,
} from '../../models/promptkd/shared/settings.js';
import { runTeacher } from '../../models/promptkd/stage1/run.js';
import { runStudent } from '../../models/promptkd/stage2/run.js';
import type { TrainRunOptions } from '../../models/runs/train.js';
import { testJob } from './job.js';
import { makeTinyWorld, type TinyWorld } from './tinyWorld.js';

/** Runs a stage into the folder `out` of the world's folder; `flags` override clip, data and teacher. */
export type TinyRun = (out: string, flags: object, how?: TrainRunOptions & { job?: Job }) => Promise<string>;

/** A world in `folder`, and a teacher of two epochs in `folder/teacher`. */
export async function makeTinyRuns(
  folder: string,
): Promise<{ world: TinyWorld; teacher: TinyRun; student: TinyRun }> {
  const world = await makeTinyWorld(join(folder, 'world'));
  const teacher: TinyRun = async (out, flags, { job, ...options } = {}) => {
    const settings = { clip: world.teacherClip, data: world.data, ...flags };
    const parsed = parseSettings(TeacherSettingsSchema, settings, 'test');
    return runTeacher(job ?? (await testJob()), parsed, join(folder, out), options);
  };
  const student: TinyRun = async (out, flags, { job, ...options } = {}) => {
    const given = { clip: world.studentClip, data: world.data, teacher: join(folder, 'teacher') };
    const parsed = parseSettings(StudentSettingsSchema, { ...given, ...flags }, 'test');
    return runStudent(job ?? (await testJob()), parsed, join(folder, out), options);
  };
  await teacher('teacher', { method: 'ivlp', batch: 4, epochs: 2, learningRate: 0.1 });
  return { world, teacher, student };
}

const LABELS = { teacher: 'stage 1: tuning the teacher', student: 'stage 2: distilling the student' };

/** Interrupts a stage behind the checkpoint of its first epoch, where that has four steps. */
export const interruptAfterEpoch =
  (stage: keyof typeof LABELS) =>
  (label: string, done: number): void => {
    if (label === LABELS[stage] && done > 4) throw new Error('interrupted');
  };
