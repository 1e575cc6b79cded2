/** `promptkd demo`: data set, both stages and the evaluation on the built-in models, with the time of each. */
import { UserError } from '../../engine/errors.js';
import { loadDataset } from '../../models/datasets/loadDataset.js';
import type { Job } from '../../models/job.js';
import type { Platform } from '../../models/platform.js';
import { encodeClassVectors } from '../../models/promptkd/classVectors/classVectors.js';
import { makeClassVectors } from '../../models/promptkd/classVectors/makeClassVectors.js';
import { loadTeacher } from '../../models/promptkd/files/loadTeacher.js';
import {
  parseSettings,
  StudentSettingsSchema,
  TeacherSettingsSchema,
} from '../../models/promptkd/shared/settings.js';
import { runTeacher } from '../../models/promptkd/stage1/run.js';
import { runStudent } from '../../models/promptkd/stage2/run.js';
import { Classifier } from '../../models/promptkd/use/classifier.js';
import { meanScore } from '../../models/reproduce/summary.js';
import type { NamedAccuracy } from '../terminal/table.js';
import { type EmojiClass, emojiClipFolder, makeEmojiData } from './emoji.js';
import { DEMO_STUDENT, DEMO_TEACHER } from './settings.js';

/** Marks a folder as made by the demo; at the end it holds the result. */
const RESULT = 'demo.json';

/** How to run the demo. */
export interface DemoOptions {
  readonly out: string;
  readonly seed: number;
  /** Classes and settings that make the demo smaller, for tests. */
  readonly classes?: readonly EmojiClass[];
  readonly teacher?: object;
  readonly student?: object;
}

/** Accuracies of the four models, and the time of each phase. */
export interface DemoResult {
  readonly seed: number;
  readonly adapter: string;
  readonly models: readonly NamedAccuracy[];
  readonly phases: readonly { readonly name: string; readonly milliseconds: number }[];
}

/** Paths below the demo's folder. */
export function demoPaths({ join }: Pick<Platform, 'join'>, out: string) {
  return {
    data: join(out, 'data'),
    teacher: join(out, 'teacher'),
    classVectors: join(out, 'class-vectors.safetensors'),
    student: join(out, 'student'),
    result: join(out, RESULT),
  };
}

/**
 * Draws the data set, tunes the teacher on a few labelled base images, stores the class vectors, distils the student on all
 * training images without their labels, and evaluates both before and after.
 *
 * @throws UserError if `out` holds something that the demo did not make
 */
export async function runDemo(job: Job, options: DemoOptions): Promise<DemoResult> {
  const { platform } = job;
  await refuseForeign(platform, options.out);
  // Another demo may be running in this folder.
  const unlock = await platform.lock?.(options.out);
  try {
    return await runLocked(job, options);
  } finally {
    await unlock?.();
  }
}

async function runLocked(job: Job, options: DemoOptions): Promise<DemoResult> {
  const { platform } = job;
  const { out, seed } = options;
  const paths = demoPaths(platform, out);
  const clip = {
    teacher: platform.join(emojiClipFolder(), 'teacher'),
    student: platform.join(emojiClipFolder(), 'student'),
  };
  const phases: { name: string; milliseconds: number }[] = [];
  const timed = async <T>(name: string, work: () => Promise<T>): Promise<T> => {
    if (job.stop?.requested) throw job.stop.stopped(`stopped before the ${name}`);
    const started = performance.now();
    const result = await work();
    phases.push({ name, milliseconds: performance.now() - started });
    return result;
  };

  await clear(platform, out);
  await timed('data set', () => drawData(job, paths.data, options.classes));
  const data = await loadDataset(platform, paths.data);
  const common = { data: paths.data, seed, precision: job.precision };
  await timed('stage 1, teacher', () =>
    runTeacher(
      job,
      parseSettings(
        TeacherSettingsSchema,
        { ...DEMO_TEACHER, ...options.teacher, ...common, clip: clip.teacher },
        'the demo',
      ),
      paths.teacher,
    ),
  );
  await timed('class vectors', () => storeClassVectors(job, paths, data.classNames));
  await timed('stage 2, student', () =>
    runStudent(
      job,
      parseSettings(
        StudentSettingsSchema,
        {
          ...DEMO_STUDENT,
          ...options.student,
          ...common,
          clip: clip.student,
          teacher: paths.teacher,
          classVectors: paths.classVectors,
        },
        'the demo',
      ),
      paths.student,
    ),
  );
  const models = await timed('evaluation', async () => {
    const rows: NamedAccuracy[] = [];
    const evaluate = async (name: string, classifier: Classifier) => {
      rows.push({ name, ...(await classifier.evaluate(job, data, `evaluating: ${name}`)) });
      classifier.destroy();
    };
    await evaluate('teacher zero-shot', await Classifier.plain(job, clip.teacher, data.classNames));
    await evaluate('teacher tuned', await Classifier.ofRun(job, paths.teacher, data.classNames));
    await evaluate('student zero-shot', await Classifier.plain(job, clip.student, data.classNames));
    await evaluate('student distilled', await Classifier.ofRun(job, paths.student, data.classNames));
    return rows;
  });
  const result = { seed, adapter: job.gpu.adapter.name, models, phases };
  await platform.write(paths.result, `${JSON.stringify(result, null, 2)}\n`);
  return result;
}

/**
 * Runs the demo for each of `seeds` and averages the accuracies, with harmonic means of the means as in the paper's tables. The
 * folder keeps the runs of the last seed.
 */
export async function averageDemos(
  job: Job,
  options: Omit<DemoOptions, 'seed'>,
  seeds: readonly number[],
): Promise<{ readonly results: readonly DemoResult[]; readonly models: readonly NamedAccuracy[] }> {
  const results: DemoResult[] = [];
  for (const seed of seeds) {
    if (seeds.length > 1) job.note(`seed ${seed}`);
    results.push(await runDemo(job, { ...options, seed }));
  }
  const models = results[0]!.models.map(({ name, images }, row): NamedAccuracy => {
    const rows = results.map(({ models }) => models[row]!);
    const { all } = meanScore('cross-dataset', rows);
    return { name, ...meanScore('base-to-novel', rows), all: all!, images };
  });
  return { results, models };
}

async function refuseForeign(platform: Platform, out: string): Promise<void> {
  const there = await platform.stat(out);
  const used = there && (there.kind !== 'folder' || (await platform.list(out)).length > 0);
  if (used && !(await platform.stat(demoPaths(platform, out).result)))
    throw new UserError(
      `${out} exists and was not made by the demo`,
      'give another --out FOLDER, or delete it',
    );
}

/** Removes the runs of an earlier demo; the pictures stay, as they are always the same. */
async function clear(platform: Platform, out: string): Promise<void> {
  const { result, teacher, student, classVectors } = demoPaths(platform, out);
  // Write the marker first, so that an interrupted demo is recognised as one.
  await platform.write(result, `${JSON.stringify({ unfinished: true })}\n`);
  for (const path of [teacher, student, classVectors]) await platform.remove(path);
}

async function drawData(job: Job, out: string, classes?: readonly EmojiClass[]): Promise<void> {
  const bar = job.begin('drawing the emoji', 1);
  try {
    await makeEmojiData(out, {
      ...(classes && { classes }),
      progress: (done, total) => bar.update(done / total),
    });
    bar.update(1);
  } finally {
    bar.end();
  }
}

async function storeClassVectors(
  job: Job,
  paths: { teacher: string; classVectors: string },
  classNames: readonly string[],
): Promise<void> {
  const teacher = await loadTeacher(job, paths.teacher);
  const vectors = await makeClassVectors(job, teacher, classNames);
  teacher.model.release();
  await job.platform.write(paths.classVectors, encodeClassVectors(vectors));
}
