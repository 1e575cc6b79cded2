/** Reproduces an experiment of the paper: teacher, class vectors, student and evaluation for each data set and seed. */
import { UserError } from '../../engine/index.js';
import { openSealedJson, sealJson } from '../../formats/sealedJson.js';
import { checkImages } from '../datasets/checkImages.js';
import { loadDataset } from '../datasets/loadDataset.js';
import type { Job } from '../job.js';
import { STUDENT_FILE, TEACHER_FILE } from '../promptkd/files/learnedFile.js';
import type { Accuracy } from '../promptkd/shared/evaluate.js';
import { runTeacher } from '../promptkd/stage1/run.js';
import { runStudent } from '../promptkd/stage2/run.js';
import { Classifier } from '../promptkd/use/classifier.js';
import type { TrainOptions } from '../runs/train.js';
import { claimFolder, planTrials, type ReproduceOptions, type Trial, trialsOf } from './trials.js';

/** Accuracies of one data set and seed. */
export interface TrialResult {
  readonly dataset: string;
  readonly seed: number;
  readonly teacher: Accuracy;
  readonly student: Accuracy;
}

/**
 * Runs what is not finished yet in `options.out`: an interrupted run resumes and ends with the same bits. Mistakes that can
 * be found beforehand are found before the first run.
 *
 * @throws UserError for unknown or missing data sets, and for settings other than those of an earlier call
 */
export async function reproduce(
  job: Job,
  options: ReproduceOptions,
  training: TrainOptions = {},
): Promise<TrialResult[]> {
  const { platform } = job;
  const all = await planTrials(platform, options);
  const trials = options.shard ? trialsOf(all, options.shard) : all;
  const settings = trials.flatMap(({ teacher, student }) => [teacher, student]);
  for (const [dataset, one] of new Map(settings.map((one) => [one.dataset, one])))
    for (const note of (await loadDataset(platform, one.data, one)).notes) job.note(`${dataset}: ${note}`);
  await claimFolder(platform, options);
  const results: TrialResult[] = [];
  for (const trial of trials) results.push(await runTrial(job, trial, training));
  return results;
}

async function runTrial(job: Job, trial: Trial, training: TrainOptions): Promise<TrialResult> {
  const { platform } = job;
  const { dataset, seed, teacherRun, studentRun } = trial;
  const name = `${dataset}, seed ${seed}`;
  const step = async <T>(what: string, work: () => Promise<T>): Promise<T> => {
    // A signal during the last step lets the run finish first.
    if (job.stop?.requested)
      throw job.stop.stopped(`stopped before ${name}, ${what}; the same command goes on`);
    job.note(`${name}: ${what}`);
    return work();
  };
  const options = async (run: string) => ({
    ...training,
    resume: (await platform.stat(run)) !== undefined,
  });
  const teacherFile = platform.join(teacherRun, TEACHER_FILE);
  const studentFile = platform.join(studentRun, STUDENT_FILE);
  // Removes the lock of a process that was killed after its last write.
  const unlock = async (run: string) => void (await (await platform.lock?.(run))?.());
  if (await platform.stat(teacherFile)) await unlock(teacherRun);
  else
    await step('teacher', async () => runTeacher(job, trial.teacher, teacherRun, await options(teacherRun)));
  if (await platform.stat(studentFile)) await unlock(studentRun);
  else
    await step('student', async () => runStudent(job, trial.student, studentRun, await options(studentRun)));

  // Evaluations are identified by file hashes, since a run may have been trained again.
  const hashes = {
    teacher: await platform.sha256(teacherFile),
    student: await platform.sha256(studentFile),
  };
  const stored = await readEvaluation(job, trial.evaluation);
  if (stored && stored.hashes.teacher === hashes.teacher && stored.hashes.student === hashes.student)
    return { dataset, seed, teacher: stored.teacher, student: stored.student };
  const { data, maxBroken } = trial.student;
  const images = await loadDataset(platform, data, trial.student);
  const { items, skipped } = await checkImages(job, images.test, { maxBroken });
  const evaluate = (part: string, run: string) =>
    step(`evaluating the ${part}`, async () => {
      const classifier = await Classifier.ofRun(job, run, images.classNames);
      const test = { ...images, test: items };
      const accuracy = await classifier.evaluate(job, test, `${name}, ${part}`, skipped);
      classifier.destroy();
      return accuracy;
    });
  const teacher = await evaluate('teacher', teacherRun);
  const student = await evaluate('student', studentRun);
  const summary = skipped.summary();
  if (summary) job.note(`${name}: ${summary}`);
  await platform.write(trial.evaluation, sealJson({ dataset, seed, teacher, student, hashes }));
  return { dataset, seed, teacher, student };
}

type StoredEvaluation = TrialResult & {
  readonly hashes: { readonly teacher: string; readonly student: string };
};

/** Undefined if missing or damaged: then it is made again. */
async function readEvaluation({ platform, note }: Job, file: string): Promise<StoredEvaluation | undefined> {
  if (!(await platform.stat(file))) return undefined;
  try {
    return openSealedJson(file, await platform.readText(file)) as unknown as StoredEvaluation;
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    note(`evaluating again, as ${error.message}`);
    return undefined;
  }
}
