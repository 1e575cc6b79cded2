/** The results of any number of reproduction folders, and what is missing in them. */
import { UserError } from '../../engine/errors.js';
import { isRecord } from '../../formats/json.js';
import { openSealedJson } from '../../formats/sealedJson.js';
import type { Platform } from '../platform.js';
import { readYaml } from '../runs/runFolder.js';
import type { TrialResult } from './reproduce.js';
import { canonicalName, differentSettings, PLAN } from './trials.js';

/** What `collect` found. */
export interface Collected {
  /** Name of the experiment's setting, as the folders say. */
  readonly setting: string;
  /** Settings that the runs were trained with, without those of one machine. */
  readonly plan: Readonly<Record<string, unknown>>;
  /** Data set by data set, seed by seed, in the order of their names and numbers. */
  readonly results: TrialResult[];
  /** Data sets and seeds without a result, with what is known of them. */
  readonly missing: readonly { readonly dataset: string; readonly seed: number; readonly state: string }[];
}

/** Settings that may differ between machines: where files lie. */
const PLACES = ['data', 'teacherClip', 'studentClip'];

interface Found {
  readonly dataset: string;
  readonly seed: number;
  readonly folder: string;
  readonly result?: TrialResult;
  readonly state: string;
}

/**
 * Reads every finished trial in `folders`, each the `--out` of a reproduction or of one share of it. A trial that several folders
 * hold must have the same result in all of them.
 *
 * @param expected data sets and seeds that there should be (default: every data set that is there with every seed that is there)
 * @throws UserError when a folder holds no reproduction, the settings of two differ, or a result is damaged
 */
export async function collect(
  platform: Platform,
  folders: readonly string[],
  expected: { readonly datasets?: readonly string[]; readonly seeds?: readonly number[] } = {},
): Promise<Collected> {
  const [first, ...others] = await Promise.all(folders.map((folder) => readPlan(platform, folder)));
  if (!first) throw new UserError('there is no folder to collect from', 'give --collect FOLDER…');
  for (const [i, plan] of others.entries()) {
    const [difference] = differentSettings(first, plan);
    if (difference)
      throw new UserError(
        `${folders[i + 1]} and ${folders[0]} hold different experiments: ${difference}`,
        'collect folders with the same settings',
      );
  }
  const found = (
    await Promise.all(folders.map((folder) => trialsIn(platform, folder, first.setting === 'cross-dataset')))
  ).flat();
  const results = new Map<string, Found>();
  for (const trial of found) {
    if (!trial.result) continue;
    const key = nameOf(trial);
    const before = results.get(key);
    if (before && JSON.stringify(before.result) !== JSON.stringify(trial.result))
      throw new UserError(
        `${key} has different results in ${before.folder} and ${trial.folder}`,
        'leave one of the folders out',
      );
    results.set(key, trial);
  }
  const datasets = expected.datasets
    ? await Promise.all(expected.datasets.map((name) => canonicalName(platform, name)))
    : [...new Set(found.map(({ dataset }) => dataset))].sort();
  const seeds = expected.seeds ?? [...new Set(found.map(({ seed }) => seed))].sort((a, b) => a - b);
  const wanted = datasets.flatMap((dataset) => seeds.map((seed) => ({ dataset, seed })));
  return {
    setting: String(first.setting),
    plan: first,
    results: wanted.flatMap((trial) => results.get(nameOf(trial))?.result ?? []),
    missing: wanted
      .filter((trial) => !results.has(nameOf(trial)))
      .map((trial) => ({ ...trial, state: stateOf(found, trial) })),
  };
}

const nameOf = ({ dataset, seed }: { dataset: string; seed: number }) => `${dataset}, seed ${seed}`;

function stateOf(found: readonly Found[], trial: { dataset: string; seed: number }): string {
  const states = found.filter((one) => nameOf(one) === nameOf(trial)).map(({ state }) => state);
  return states.length === 0 ? 'not begun' : [...new Set(states)].join('; ');
}

/** The plan of a folder without what belongs to its machine. */
async function readPlan(platform: Platform, folder: string): Promise<Record<string, unknown>> {
  const file = platform.join(folder, PLAN);
  if (!(await platform.stat(file)))
    throw new UserError(`${folder} holds no reproduction: ${PLAN} is missing`, 'give the --out of one');
  const plan = readYaml(file, await platform.readText(file));
  if (!isRecord(plan)) throw new UserError(`${file} is not a plan`, 'copy the folder again');
  return Object.fromEntries(Object.entries(plan).filter(([name]) => !PLACES.includes(name)));
}

/** @param shared whether teachers are shared: then a folder with nothing but a teacher is no trial */
async function trialsIn(platform: Platform, folder: string, shared: boolean): Promise<Found[]> {
  const found: Found[] = [];
  for (const { name: dataset, kind } of await platform.list(folder)) {
    if (kind !== 'folder') continue;
    for (const { name } of await platform.list(platform.join(folder, dataset))) {
      const seed = /^seed-(\d+)$/.exec(name)?.[1];
      if (seed === undefined) continue;
      const at = platform.join(folder, dataset, name);
      const file = platform.join(at, 'evaluation.json');
      const result = (await platform.stat(file)) ? await readResult(platform, file) : undefined;
      const begun = (part: string) => platform.stat(platform.join(at, part));
      const part = (await begun('student')) ? 'student' : 'teacher';
      if (!result && part === 'teacher' && (shared || !(await begun('teacher')))) continue;
      found.push({
        dataset,
        seed: Number(seed),
        folder,
        result,
        state: `the ${part} is not finished in ${at}`,
      });
    }
  }
  return found;
}

async function readResult(platform: Platform, file: string): Promise<TrialResult> {
  const { dataset, seed, teacher, student } = openSealedJson(file, await platform.readText(file));
  if (typeof dataset !== 'string' || typeof seed !== 'number' || !isRecord(teacher) || !isRecord(student))
    throw new UserError(`${file} is not an evaluation of a trial`, 'delete it and run that trial again');
  return { dataset, seed, teacher, student } as unknown as TrialResult;
}
