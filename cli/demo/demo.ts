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
import { type Examined, evaluationHtml } from '../../report/evaluationReport.js';
import { thumbnailsOf } from '../../report/photos.js';
import { readRecord } from '../../report/readRecord.js';
import { type ClassResult, changedMost, classResults } from '../../report/statistics.js';
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

/** A class whose accuracy the distillation of the student changed, with its name. */
export type NamedChange = ClassResult & { readonly name: string };

/** What a run of the demo found. */
export interface Demo {
  readonly result: DemoResult;
  /** The classes that changed most from the student's plain CLIP to the student. */
  readonly changes: readonly NamedChange[];
}

/** Classes in `changes`. */
const CHANGES = 6;

/** Paths below the demo's folder. */
export function demoPaths({ join }: Pick<Platform, 'join'>, out: string) {
  return {
    data: join(out, 'data'),
    teacher: join(out, 'teacher'),
    classVectors: join(out, 'class-vectors.safetensors'),
    student: join(out, 'student'),
    report: join(out, 'report.html'),
    result: join(out, RESULT),
  };
}

/**
 * Draws the data set, tunes the teacher on a few labelled base images, stores the class vectors, distils the student on all
 * training images without their labels, and evaluates both before and after.
 *
 * @throws UserError if `out` holds something that the demo did not make
 */
export async function runDemo(job: Job, options: DemoOptions): Promise<Demo> {
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

async function runLocked(job: Job, options: DemoOptions): Promise<Demo> {
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
  const examined = await timed('evaluation', async () => {
    const evaluate = async (name: string, classifier: Classifier): Promise<Examined> => {
      const { accuracy, outcomes } = await classifier.examine(job, data, `evaluating: ${name}`);
      classifier.destroy();
      return { name, accuracy, outcomes, classes: classifier.classes };
    };
    return [
      await evaluate('teacher zero-shot', await Classifier.plain(job, clip.teacher, data.classNames)),
      await evaluate('teacher tuned', await Classifier.ofRun(job, paths.teacher, data.classNames)),
      await evaluate('student zero-shot', await Classifier.plain(job, clip.student, data.classNames)),
      await evaluate('student distilled', await Classifier.ofRun(job, paths.student, data.classNames)),
    ] as const;
  });
  const models = examined.map(({ name, accuracy }): NamedAccuracy => ({ name, ...accuracy }));
  const result = { seed, adapter: job.gpu.adapter.name, models, phases };
  const [plainTeacher, teacher, plainStudent, student] = examined;
  const html = await evaluationHtml({
    ...{ title: 'The demo: emoji', data: 'emoji', adapter: result.adapter, images: data.test },
    classNames: data.classNames,
    models: [
      { ...student, before: plainStudent, record: await readRecord(platform, paths.student) },
      { ...teacher, before: plainTeacher, record: await readRecord(platform, paths.teacher) },
    ],
    thumbnail: thumbnailsOf(platform),
  });
  await platform.write(paths.report, html);
  await platform.write(paths.result, `${JSON.stringify(result, null, 2)}\n`);
  const results = classResults(data.classNames.length, student.outcomes, plainStudent.outcomes);
  const changes = changedMost(results, CHANGES);
  return { result, changes: changes.map((change) => ({ ...change, name: data.classNames[change.label]! })) };
}

/**
 * Runs the demo for each of `seeds` and averages the accuracies, with harmonic means of the means as in the paper's tables. The
 * folder keeps the runs of the last seed.
 */
export async function averageDemos(
  job: Job,
  options: Omit<DemoOptions, 'seed'>,
  seeds: readonly number[],
): Promise<{
  readonly results: readonly DemoResult[];
  readonly models: readonly NamedAccuracy[];
  /** Of the last seed. */
  readonly changes: readonly NamedChange[];
}> {
  const results: DemoResult[] = [];
  let changes: readonly NamedChange[] = [];
  for (const seed of seeds) {
    if (seeds.length > 1) job.note(`seed ${seed}`);
    const demo = await runDemo(job, { ...options, seed });
    results.push(demo.result);
    changes = demo.changes;
  }
  const models = results[0]!.models.map(({ name, images }, row): NamedAccuracy => {
    const rows = results.map(({ models }) => models[row]!);
    const { all } = meanScore('cross-dataset', rows);
    return { name, ...meanScore('base-to-novel', rows), all: all!, images };
  });
  return { results, models, changes };
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
  const { result, report, teacher, student, classVectors } = demoPaths(platform, out);
  // Write the marker first, so that an interrupted demo is recognised as one.
  await platform.write(result, `${JSON.stringify({ unfinished: true })}\n`);
  for (const path of [teacher, student, classVectors, report]) await platform.remove(path);
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
