/** Runs side by side: what differs between them, means and deviations of those that differ only in their seed. */
import { parse } from 'yaml';
import { type Accuracy, harmonicMean } from '../models/promptkd/shared/evaluate.js';
import { fieldsOf } from '../models/runs/changes.js';
import type { RunRecord } from '../models/runs/lineFile.js';
import type { Examined } from './evaluationReport.js';
import { curvesOf, meanOf } from './runReport.js';
import { compareOutcomes, holm, type McNemar } from './statistics.js';

/** A run, or a file or CLIP that is compared with runs. */
export interface ComparedRun extends Examined {
  /** Of its training, where it is a run. */
  readonly record?: RunRecord;
}

/** The loss is the mean of the last epoch, the speed that over the epochs. */
const VALUES = ['base', 'novel', 'harmonicMean', 'all', 'loss', 'imagesPerSecond'] as const;

/** Quantities of a row, where they are known. */
export type ComparedValues = { readonly [field in (typeof VALUES)[number]]?: number };

/** A run's row. */
export interface ComparedRow extends ComparedValues {
  readonly name: string;
  /** Number of its group, if it is in one. */
  readonly group?: number;
}

/** Runs that differ only in their seed. */
export interface SeedGroup {
  readonly runs: readonly string[];
  /** The harmonic mean is that of the means of base and novel, as in the paper. */
  readonly mean: ComparedValues;
  /** Standard deviations of a sample (n - 1). */
  readonly deviation: ComparedValues;
}

/** McNemar's test of two runs. */
export interface PairTest extends McNemar {
  readonly first: string;
  readonly second: string;
  /** `p` by Holm's correction for all pairs. */
  readonly adjusted: number;
}

/** What comparing runs found. */
export interface Comparison {
  readonly rows: readonly ComparedRow[];
  readonly groups: readonly SeedGroup[];
  readonly tests: readonly PairTest[];
  /** Those with different values: one for each run, in order, undefined where it has none. */
  readonly settings: readonly { readonly field: string; readonly values: readonly unknown[] }[];
}

/** Settings that only say which of several equal experiments a run is. */
const SEEDS = new Set(['seed', 'cropSeed', 'teacher', 'classVectors', 'teacherCache', 'evalEvery']);

/** Compares at least one run. The names must differ. */
export function compareRuns(runs: readonly ComparedRun[]): Comparison {
  const configs = runs.map(({ record }) => record && fieldsOf(parse(record.config)));
  const alike = new Map<string, number[]>();
  configs.forEach((config, i) => {
    if (!config) return;
    const key = JSON.stringify(withoutSeeds(config));
    alike.set(key, [...(alike.get(key) ?? []), i]);
  });
  const members = [...alike.values()].filter(({ length }) => length > 1);
  const values = runs.map(valuesOf);
  const rows = runs.map(({ name }, i): ComparedRow => {
    const group = members.findIndex((some) => some.includes(i));
    return { name, ...values[i]!, ...(group >= 0 && { group }) };
  });
  const groups = members.map((some): SeedGroup => {
    const numbers = (field: keyof ComparedValues) =>
      some.map((i) => values[i]![field]).filter((value) => value !== undefined);
    const over = (statistic: (numbers: readonly number[]) => number | undefined): ComparedValues =>
      Object.fromEntries(VALUES.map((field) => [field, statistic(numbers(field))]));
    const mean = over(meanOf);
    const { base, novel } = mean;
    const combined = base === undefined || novel === undefined ? undefined : harmonicMean(base, novel);
    return {
      runs: some.map((i) => runs[i]!.name),
      mean: { ...mean, harmonicMean: combined },
      deviation: over(deviationOf),
    };
  });
  return { rows, groups, tests: pairTests(runs), settings: differentSettings(configs) };
}

function pairTests(runs: readonly ComparedRun[]): PairTest[] {
  const tests = runs.flatMap((first, i) =>
    runs.slice(i + 1).map((second) => ({
      ...{ first: first.name, second: second.name },
      ...compareOutcomes(first.outcomes, second.outcomes),
    })),
  );
  const adjusted = holm(tests.map(({ p }) => p));
  return tests.map((test, i) => ({ ...test, adjusted: adjusted[i]! }));
}

function valuesOf({ accuracy, record }: ComparedRun): ComparedValues {
  const { images: _, ...accuracies }: Accuracy = accuracy;
  const curve =
    record && curvesOf(record.metrics).find(({ name }) => name === 'loss' || name.startsWith('scl'));
  const speeds = (record?.timing ?? [])
    .map(({ imagesPerSecond }) => imagesPerSecond)
    .filter((speed) => typeof speed === 'number');
  return { ...accuracies, loss: curve?.means.at(-1)?.y, imagesPerSecond: meanOf(speeds) };
}

/** Of a sample: divided by n - 1. */
function deviationOf(values: readonly number[]): number | undefined {
  const mean = meanOf(values);
  if (mean === undefined || values.length < 2) return undefined;
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1));
}

type Fields = Readonly<Record<string, unknown>>;

const withoutSeeds = (config: Fields): [string, unknown][] =>
  Object.entries(config).filter(([field]) => !SEEDS.has(field));

function differentSettings(configs: readonly (Fields | undefined)[]): Comparison['settings'] {
  const known = configs.filter((config) => config !== undefined);
  const fields = [...new Set(known.flatMap(Object.keys))];
  return fields
    .filter((field) => new Set(known.map((config) => JSON.stringify(config[field]))).size > 1)
    .map((field) => ({ field, values: configs.map((config) => config?.[field]) }));
}
