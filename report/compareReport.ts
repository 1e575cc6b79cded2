/** The page of `promptkd compare`. */
import { Charts, legend } from './charts.js';
import type { ComparedRun, ComparedValues, Comparison } from './compare.js';
import { escapeHtml, figure, page, rounded, section, table } from './page.js';
import { ACCURACIES, curvesOf } from './runReport.js';

/** What the page shows. */
export interface CompareContent {
  /** Name of the data set. */
  readonly data: string;
  readonly adapter: string;
  readonly runs: readonly ComparedRun[];
  readonly comparison: Comparison;
}

/** Rows of McNemar's test: more pairs are left out, the least certain ones first. */
const MOST_PAIRS = 60;

/** The page, with charts inside. */
export async function compareHtml({ data, adapter, runs, comparison }: CompareContent): Promise<string> {
  const charts = await Charts.open();
  const images = runs[0]?.outcomes.length ?? 0;
  return page(`${runs.length} models side by side`, `${images} test images (${data}), on ${adapter}`, [
    section(
      'Accuracy',
      'Percent of test images. Means and sample deviations are of runs that differ only in their seed; HM of a mean is that of its base and novel.',
      accuracies(comparison),
    ),
    section('Curves', 'Means of each epoch.', curves(charts, runs)),
    section('Are they different?', MCNEMAR, tests(comparison)),
    section('Settings that differ', '', settings(runs, comparison)),
  ]);
}

const MCNEMAR =
  "McNemar's exact test on the same images, all classes. p: how probable a difference at least this large would be if both were " +
  'equally good; Holm: the same, corrected for the number of pairs.';

const cells = (values: ComparedValues): string[] => [
  ...ACCURACIES.map(([field]) => rounded(values[field])),
  rounded(values.loss, 3),
  rounded(values.imagesPerSecond, 0),
];

function accuracies({ rows, groups }: Comparison): string {
  const summary = groups.map(({ runs, mean, deviation }) => {
    const spread = cells(deviation);
    const name = `mean of ${runs.length} seeds${groups.length > 1 ? `: ${runs[0]} …` : ''}`;
    return [name, ...cells(mean).map((value, i) => (value === '–' ? value : `${value} ± ${spread[i]}`))];
  });
  return table(
    ['model', 'base', 'novel', 'HM', 'all', 'last loss', 'images/s'],
    [...rows.map((row) => [row.name, ...cells(row)]), ...summary],
    { foot: summary.length },
  );
}

function curves(charts: Charts, runs: readonly ComparedRun[]): string {
  const found = runs.flatMap(({ name: series, record }) =>
    curvesOf(record?.metrics ?? []).map((curve) => ({ ...curve, series })),
  );
  const names = [...new Set(found.map(({ name }) => name))].filter((name) => name !== 'rate');
  if (names.length === 0) return '';
  const series = runs.map(({ name }) => name);
  const figures = names.map((name) => {
    const some = found.filter((curve) => curve.name === name);
    const points = some.flatMap(({ means, series }) => means.map((mean) => ({ ...mean, series })));
    const { title, unit } = some[0]!;
    return figure(title, charts.series(title, points, series, unit));
  });
  return `${legend(series.map(escapeHtml))}<div class="grid">${figures.join('')}</div>`;
}

function tests({ tests: all }: Comparison): string {
  if (all.length === 0) return '';
  const sorted = [...all].sort((a, b) => a.p - b.p).slice(0, MOST_PAIRS);
  return table(
    ['one', 'other', 'only one right', 'only other right', 'p', 'Holm'],
    sorted.map(({ first, second, onlyFirst, onlySecond, p, adjusted }) => [
      ...[first, second, String(onlyFirst), String(onlySecond), probability(p), probability(adjusted)],
    ]),
    { text: 2 },
  );
}

/** A probability with two digits that count. */
export const probability = (p: number): string =>
  p >= 0.1 ? p.toFixed(2) : p >= 0.001 ? p.toFixed(3) : p.toExponential(1);

function settings(runs: readonly ComparedRun[], { settings: all }: Comparison): string {
  if (all.length === 0) return '';
  const shown = (value: unknown) =>
    value === undefined ? '–' : typeof value === 'string' ? value : JSON.stringify(value);
  return table(
    ['model', ...all.map(({ field }) => field)],
    runs.map(({ name }, i) => [name, ...all.map(({ values }) => shown(values[i]))]),
  );
}
