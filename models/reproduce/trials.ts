/** What a reproduction trains: a trial for each data set and seed, with its folders and complete settings. */
import { stringify } from 'yaml';
import { UserError } from '../../engine/index.js';
import { knownName, LAYOUTS } from '../datasets/layouts.js';
import type { Platform } from '../platform.js';
import {
  parseSettings,
  type StudentSettings,
  StudentSettingsSchema,
  type TeacherSettings,
  TeacherSettingsSchema,
} from '../promptkd/shared/settings.js';
import { readYaml } from '../runs/runFolder.js';
import type { Shard } from '../runs/shard.js';
import { type Fields, type Preset, presetFields } from './preset.js';

/** What to reproduce, and where its data and models are. */
export interface ReproduceOptions {
  readonly preset: Preset;
  /** Names of known data sets, in any spelling. */
  readonly datasets: readonly string[];
  readonly seeds: readonly number[];
  /** Folder with the data sets in CoOp's folders. */
  readonly data: string;
  readonly teacherClip: string;
  readonly studentClip: string;
  readonly out: string;
  /** Cross-dataset: what the teacher is tuned on, in place of the preset's. */
  readonly source?: string;
  /** The share of the trials to run (default: all of them). */
  readonly shard?: Shard;
  /** Settings in place of the preset's, for every data set. */
  readonly teacher?: Fields;
  readonly student?: Fields;
}

/** One teacher, student and evaluation. */
export interface Trial {
  /** Name in `LAYOUTS`. */
  readonly dataset: string;
  readonly seed: number;
  readonly teacher: TeacherSettings;
  /** In a cross-dataset reproduction the trials of a seed share it. */
  readonly teacherRun: string;
  readonly student: StudentSettings;
  readonly studentRun: string;
  /** File of the accuracies. */
  readonly evaluation: string;
}

/** The name in `LAYOUTS` of a data set, in whatever spelling. @throws UserError listing the known ones */
export async function canonicalName(platform: Platform, name: string): Promise<string> {
  const known = await knownName(platform, '', name);
  if (known !== undefined) return known;
  throw new UserError(
    `there is no data set called "${name}"`,
    `known ones: ${LAYOUTS.map((layout) => layout.name).join(', ')}`,
  );
}

/** The file in `out` that says what its runs were trained with. */
export const PLAN = 'reproduce.yaml';

/**
 * The trials in the order in which they are run: data set by data set, seed by seed.
 *
 *     OUT/reproduce.yaml
 *     OUT/<data set>/seed-<n>/{teacher,student}/  evaluation.json
 *
 * @throws UserError naming an unknown data set or a wrong setting
 */
export async function planTrials(platform: Platform, options: ReproduceOptions): Promise<Trial[]> {
  const { preset, data, out } = options;
  const canonical = (name: string) => canonicalName(platform, name);
  const datasets = [...new Set(await Promise.all(options.datasets.map(canonical)))];
  const isCross = preset.setting === 'cross-dataset';
  const source = isCross ? await canonical(options.source ?? preset.source!) : undefined;
  return datasets.flatMap((dataset) =>
    [...new Set(options.seeds)].map((seed): Trial => {
      const at = (name: string, part: string) => platform.join(out, name, `seed-${seed}`, part);
      const tunedOn = source ?? dataset;
      const teacherRun = at(tunedOn, 'teacher');
      const teacher = {
        ...presetFields(preset, 'teacher', tunedOn),
        ...options.teacher,
        data,
        seed,
        dataset: tunedOn,
        clip: options.teacherClip,
      };
      const student = {
        ...presetFields(preset, 'student', dataset),
        ...options.student,
        data,
        seed,
        dataset,
        clip: options.studentClip,
        teacher: teacherRun,
      };
      return {
        dataset,
        seed,
        teacher: parseSettings(TeacherSettingsSchema, teacher, `${tunedOn}, teacher`),
        teacherRun,
        student: parseSettings(StudentSettingsSchema, student, `${dataset}, student`),
        studentRun: at(dataset, 'student'),
        evaluation: at(dataset, 'evaluation.json'),
      };
    }),
  );
}

/**
 * Writes what `out` is trained with, or compares it with what is there: runs of one folder must be comparable. Data sets
 * and seeds may be added.
 *
 * @throws UserError naming the settings that differ, or when the folder holds something else
 */
export async function claimFolder(platform: Platform, options: ReproduceOptions): Promise<void> {
  const { preset, data, teacherClip, studentClip, source, teacher, student, out } = options;
  const { setting, datasets } = preset;
  const plan = {
    setting,
    ...(setting === 'cross-dataset' && { source: source ?? preset.source }),
    data,
    teacherClip,
    studentClip,
    teacher: { ...preset.teacher, ...teacher },
    student: { ...preset.student, ...student },
    datasets: Object.fromEntries(
      Object.entries(datasets).map(([name, part]) => [
        name,
        { teacher: { ...part.teacher, ...teacher }, student: { ...part.student, ...student } },
      ]),
    ),
  };
  const file = platform.join(out, PLAN);
  const there = await platform.stat(out);
  if (there?.kind === 'file') throw new UserError(`the output ${out} is a file`, 'give a folder');
  const others = there ? (await platform.list(out)).filter(({ name }) => name !== PLAN) : [];
  // A plan alone is of an attempt that failed before its first epoch.
  if (others.length === 0) return platform.write(file, stringify(plan));
  if (!(await platform.stat(file)))
    throw new UserError(
      `${out} is not empty and holds no reproduction`,
      'give a folder that does not exist yet',
    );
  const [first, ...more] = differentSettings(readYaml(file, await platform.readText(file)), plan);
  if (first !== undefined)
    throw new UserError(
      `the reproduction in ${out} has other settings: ${first}${more.length > 0 ? `, and ${more.length} more` : ''}`,
      'give the same settings to continue it, or another folder',
    );
}

/** What differs between two plans, in words: "teacher.epochs is 20 there and 5 now". */
export function differentSettings(there: unknown, now: unknown): string[] {
  const [before, after] = [flatten(there), flatten(now)];
  return [...new Set([...before.keys(), ...after.keys()])]
    .filter((name) => before.get(name) !== after.get(name))
    .map(
      (name) =>
        `${name} is ${before.get(name) ?? 'not given'} there and ${after.get(name) ?? 'not given'} now`,
    );
}

/** Leaves of a tree of settings by their dotted path, as text. */
function flatten(value: unknown, path = ''): Map<string, string> {
  if (typeof value !== 'object' || value === null) return new Map([[path, String(value)]]);
  return new Map(
    Object.entries(value).flatMap(([key, child]) => [...flatten(child, path ? `${path}.${key}` : key)]),
  );
}

/**
 * The trials of a share. Trials with the same teacher stay together, as two machines must not tune it twice; those groups are dealt
 * in turn, in the order of the plan.
 */
export function trialsOf<T extends { readonly teacherRun: string }>(
  trials: readonly T[],
  { index, count }: Shard,
): T[] {
  const groups = [...new Set(trials.map(({ teacherRun }) => teacherRun))];
  const share = new Set(groups.filter((_, i) => i % count === index - 1));
  return trials.filter(({ teacherRun }) => share.has(teacherRun));
}
