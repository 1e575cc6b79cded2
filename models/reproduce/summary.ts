/** Means over seeds and over data sets, beside what the paper published (docs/method.md 3.9). */
import { harmonicMean } from '../promptkd/shared/evaluate.js';
import type { Preset, Setting } from './preset.js';
import type { TrialResult } from './reproduce.js';

/** Accuracies in percent: base, novel and their harmonic mean in base-to-novel, all classes in cross-dataset. */
export interface Score {
  readonly base?: number;
  readonly novel?: number;
  readonly harmonicMean?: number;
  readonly all?: number;
}

/** Our score beside the paper's, in percent. */
export interface Compared {
  readonly ours: Score;
  /** Absent where the paper has no number. */
  readonly paper?: Score;
  /** Ours less the paper's. */
  readonly difference?: Score;
}

/** The means of one data set over its seeds. */
export interface SummaryRow {
  readonly dataset: string;
  readonly seeds: readonly number[];
  readonly student: Compared;
  readonly teacher: Compared;
}

/** All data sets of a reproduction, and their average. */
export interface Summary {
  readonly setting: Setting;
  /** Where the paper's numbers come from. */
  readonly source?: string;
  readonly rows: readonly SummaryRow[];
  /** Over the rows, the paper's too; present where there is more than one. */
  readonly average?: { readonly student: Compared; readonly teacher: Compared };
}

type Part = 'student' | 'teacher';

/**
 * A row a data set: means over its seeds, and the harmonic mean of those means, as in the paper. The average is the mean
 * over data sets, its harmonic mean again that of the means.
 */
export function summarize(preset: Preset, results: readonly TrialResult[]): Summary {
  const { setting, published } = preset;
  const names = [...new Set(results.map(({ dataset }) => dataset))];
  const mean = (scores: readonly Score[]) => meanScore(setting, scores);
  const rows = names.map((dataset): SummaryRow => {
    const trials = results.filter((result) => result.dataset === dataset);
    const compared = (part: Part) =>
      compare(mean(trials.map((trial) => trial[part])), toScore(published?.[part][dataset]));
    const seeds = trials.map(({ seed }) => seed);
    return { dataset, seeds, student: compared('student'), teacher: compared('teacher') };
  });
  const average = (part: Part) => {
    const papers = rows.flatMap((row) => row[part].paper ?? []);
    const paper = papers.length === rows.length ? mean(papers) : undefined;
    return compare(mean(rows.map((row) => row[part].ours)), paper);
  };
  return {
    setting,
    ...(published && { source: published.source }),
    rows,
    ...(rows.length > 1 && { average: { student: average('student'), teacher: average('teacher') } }),
  };
}

/** Means of what the setting counts; the harmonic mean is that of the means. */
export function meanScore(setting: Setting, scores: readonly Score[]): Score {
  const mean = (key: keyof Score) => {
    const values = scores.flatMap((score) => score[key] ?? []);
    return values.length === 0 ? undefined : values.reduce((sum, value) => sum + value, 0) / values.length;
  };
  if (setting === 'cross-dataset') return { all: mean('all') };
  const [base, novel] = [mean('base'), mean('novel')];
  if (base === undefined || novel === undefined) return { base, novel };
  return { base, novel, harmonicMean: harmonicMean(base, novel) };
}

function toScore(value: number | readonly [number, number, number] | undefined): Score | undefined {
  if (value === undefined) return undefined;
  if (typeof value === 'number') return { all: value };
  const [base, novel, mean] = value;
  return { base, novel, harmonicMean: mean };
}

function compare(ours: Score, paper: Score | undefined): Compared {
  if (!paper) return { ours };
  const keys = (Object.keys(paper) as (keyof Score)[]).filter((key) => ours[key] !== undefined);
  return {
    ours,
    paper,
    difference: Object.fromEntries(keys.map((key) => [key, ours[key]! - paper[key]!])),
  };
}
