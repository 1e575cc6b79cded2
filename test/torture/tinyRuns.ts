/** Both stages on the tiny world within this process, each with what later steps depend on. */
import type { Job } from '../../models/job.js';
import {
  parseSettings,
  StudentSettingsSchema,
  TeacherSettingsSchema,
} from '../../models/promptkd/shared/settings.js';
import { runTeacher } from '../../models/promptkd/stage1/run.js';
import { runStudent } from '../../models/promptkd/stage2/run.js';
import type { TrainRunOptions } from '../../models/runs/train.js';
import type { TinyWorld } from '../helpers/tinyWorld.js';

export interface TinyRun {
  readonly name: string;
  run(job: Job, out: string, options?: TrainRunOptions): Promise<string>;
}

/** @param teacherRun what students learn from */
export function tinyRuns({ teacherClip, studentClip, data }: TinyWorld, teacherRun: string) {
  const common = { data, visionDepth: 1, batch: 2 };
  const teacher = (name: string, more: object = {}): TinyRun => {
    const given = { ...common, clip: teacherClip, shots: 4, textDepth: 1, epochs: 4, ...more };
    const settings = parseSettings(TeacherSettingsSchema, given, name);
    return { name, run: (job, out, options) => runTeacher(job, settings, out, options) };
  };
  const student = (name: string, more: object = {}): TinyRun => {
    const given = { ...common, clip: studentClip, teacher: teacherRun, epochs: 3, ...more };
    const settings = parseSettings(StudentSettingsSchema, given, name);
    return { name, run: (job, out, options) => runStudent(job, settings, out, options) };
  };
  return { teacher, student };
}

/** Every kind of state between them. `cache` is the folder of a teacher cache. */
export function everyKind(world: TinyWorld, teacherRun: string, cache: string): TinyRun[] {
  const { teacher, student } = tinyRuns(world, teacherRun);
  return [
    teacher('teacher'),
    student('student'),
    teacher('teacher with views', { views: 2, accumulate: 2 }),
    student('student that keeps its best epoch', { select: 'reference' }),
    student('student with a teacher cache', { views: 2, teacherCache: cache }),
    student('student whose tower is trained', { train: 'all', learningRate: 1e-4 }),
  ];
}

/** So few minutes that there is a checkpoint behind every update. */
export const ALWAYS = 1e-6;
