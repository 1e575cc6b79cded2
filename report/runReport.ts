/** `report.html` of a run: losses by term, where time went, and the settings. */

import type { TrainedRun } from '../models/job.js';
import { percent } from '../models/numbers.js';
import type { Metrics, RunRecord, TimingLine } from '../models/runs/lineFile.js';
import { Charts, legend, type Point } from './charts.js';
import { details, escapeHtml, figure, page, rounded, section, table } from './page.js';

/** A quantity over a run. */
export interface Curve {
  /** Its field in metrics.jsonl. */
  readonly name: string;
  readonly title: string;
  readonly unit?: string;
  /** Every value, over epochs. */
  readonly values: readonly Point[];
  /** The mean of each epoch. */
  readonly means: readonly Point[];
}

/** The fields of a metrics line that are no quantities. */
const COORDINATES = new Set(['epoch', 'step']);
/** The accuracies on test images, with their titles; the metrics have them where `--eval-every` asks for them. */
export const ACCURACIES = [
  ['base', 'base'],
  ['novel', 'novel'],
  ['harmonicMean', 'harmonic mean'],
  ['all', 'all classes'],
] as const;
const ACCURACY_TITLES: ReadonlyMap<string, string> = new Map(ACCURACIES);
/** In percent, and no terms of the loss. */
const isPercent = (name: string): boolean => ACCURACY_TITLES.has(name) || name === 'selectionAccuracy';
const TITLES: Readonly<Record<string, string>> = {
  loss: 'loss',
  ce: 'cross-entropy',
  scl_text: 'text features, weighted L1',
  scl_image: 'image features, weighted L1',
  scl_logits: 'logits, KL',
  rate: 'learning rate',
  base: 'accuracy, base classes',
  novel: 'accuracy, novel classes',
  harmonicMean: 'harmonic mean of base and novel',
  all: 'accuracy, all classes',
  selectionAccuracy: 'accuracy that selects the epoch',
};

/** The page, with styles and charts inside. */
export async function reportHtml({ title, adapter, ...record }: TrainedRun): Promise<string> {
  const next =
    'Whether it got better: promptkd eval RUN --data FOLDER --report FILE.html adds accuracies before and after.';
  return page(title, `on ${adapter}. ${next}`, runSections(await Charts.open(), record));
}

/** The sections about a run's training. */
export function runSections(charts: Charts, { config, metrics, timing }: RunRecord): string[] {
  const all = curvesOf(metrics);
  const accuracies = all.filter(({ name }) => ACCURACY_TITLES.has(name));
  const curves = all
    .filter((curve) => !accuracies.includes(curve))
    .map(({ title, unit, values, means }) => figure(title, charts.lines(title, values, means, unit)));
  return [
    section(
      'Accuracy by epoch',
      'Percent of the test images, by --eval-every. Base and novel: images of one half of the classes among the classes of that half.',
      accuracies.length === 0 ? '' : accuracyByEpoch(charts, accuracies),
    ),
    section(
      'Loss by term',
      'Thin: each update. Bold: the mean of each epoch.',
      curves.length === 0 ? '' : `<div class="grid">${curves.join('\n')}</div>`,
    ),
    section('Where time went', '', timing.length === 0 ? '' : timeSpent(charts, timing)),
    section('Settings', '', details('config.yaml', `<pre>${escapeHtml(config)}</pre>`, true)),
  ];
}

/** A curve for every quantity of the metrics, in the order in which they first appear, the learning rate last. */
export function curvesOf(metrics: readonly Metrics[]): Curve[] {
  const found = [...new Set(metrics.flatMap(Object.keys))].filter((name) => !COORDINATES.has(name));
  const names = [...found.filter((name) => name !== 'rate'), ...found.filter((name) => name === 'rate')];
  const perEpoch = metrics.reduce((most, { step }) => Math.max(most, Number(step ?? 0)), 1);
  const curves = names.flatMap((name): Curve[] => {
    const lines = metrics.filter((line) => Number.isFinite(line[name]));
    if (lines.length === 0) return [];
    // In epochs, so that the axes of all charts agree; what has no step was found at an epoch's end.
    const values = lines.map((line) => ({
      x: Number(line.epoch) - 1 + Number(line.step ?? perEpoch) / perEpoch,
      y: line[name] as number,
    }));
    const epochs = new Map<number, number[]>();
    for (const line of lines) {
      const epoch = Number(line.epoch);
      if (!epochs.has(epoch)) epochs.set(epoch, []);
      epochs.get(epoch)!.push(line[name] as number);
    }
    const means = [...epochs].map(([x, some]) => ({ x, y: meanOf(some)! }));
    const unit = isPercent(name) ? '%' : undefined;
    return [{ name, title: TITLES[name] ?? name, unit, values, means }];
  });
  // A single term is the loss itself.
  const [total, ...terms] = curves.filter(({ name }) => name !== 'rate' && !isPercent(name));
  const same =
    terms.length === 1 && total && JSON.stringify(terms[0]!.values) === JSON.stringify(total.values);
  return same ? curves.filter((curve) => curve !== total) : curves;
}

/** The mean of some values; undefined without any. */
export const meanOf = (values: readonly number[]): number | undefined =>
  values.length === 0 ? undefined : values.reduce((sum, value) => sum + value, 0) / values.length;

/** A chart of all accuracies, and their numbers. */
function accuracyByEpoch(charts: Charts, curves: readonly Curve[]): string {
  const names = curves.map(({ name }) => ACCURACY_TITLES.get(name)!);
  const points = curves.flatMap(({ values }, i) => values.map((value) => ({ ...value, series: names[i]! })));
  const epochs = [...new Set(points.map(({ x }) => x))];
  const rows = epochs.map((epoch) => [
    String(epoch),
    ...curves.map(({ values }) => rounded(values.find(({ x }) => x === epoch)?.y)),
  ]);
  return (
    legend(names) +
    figure('', charts.series('accuracy by epoch', points, names, '%')) +
    details('each epoch', table(['epoch', ...names], rows), epochs.length <= 12)
  );
}

/** What an epoch's time goes to, and how the legend calls it. */
const WAITS = { gpu: 'waiting for the GPU', decode: 'waiting for images', host: 'work on the host' };
const PARTS = Object.keys(WAITS);

const waitsOf = (line: TimingLine) => (line.waits ?? {}) as Readonly<Record<string, unknown>>;

function timeSpent(charts: Charts, timing: readonly TimingLine[]): string {
  const finite = (value: unknown): value is number => Number.isFinite(value);
  const parts = timing.flatMap((line) => {
    const [waits, { epoch, seconds }] = [waitsOf(line), line];
    if (!finite(epoch) || !finite(seconds)) return [];
    return PARTS.flatMap((part) => {
      const share = waits[part];
      return finite(share) ? [{ x: epoch, y: share * seconds, part }] : [];
    });
  });
  const chart =
    parts.length === 0
      ? ''
      : legend(Object.values(WAITS)) + figure('', charts.stacked('seconds of each epoch', parts, PARTS));
  return chart + details('each epoch', timingTable(timing), timing.length <= 12);
}

/** What is not a number becomes a dash. */
function timingTable(timing: readonly TimingLine[]): string {
  const number = (value: unknown) => (typeof value === 'number' ? String(value) : '–');
  const share = (value: unknown) => (typeof value === 'number' ? percent(value, 1) : '–');
  const rows = timing.map((line) => {
    const waits = waitsOf(line);
    return [
      ...[line.epoch, line.imagesPerSecond, line.msPerStep, line.gflops].map(number),
      ...[line.peakShare, waits.gpu, waits.decode, waits.host].map(share),
    ];
  });
  const head = ['epoch', 'images/s', 'ms a step', 'GFLOP/s', 'of measured peak', 'GPU', 'images', 'host'];
  return table(head, rows);
}
