/** The comparison as tables: one row per case, all measurements in detail, and the goals. */
import { counted, milliseconds, perSecond } from '../../cli/terminal/timings.js';
import { number } from '../../models/numbers.js';
import { factor, geometricMean, markdownTable } from '../table.js';
import type { PeerRow } from './compare.js';

type Timed = PeerRow & { readonly timing: NonNullable<PeerRow['timing']> };

const timed = (rows: readonly PeerRow[]): Timed[] =>
  rows.filter((row): row is Timed => row.timing !== undefined);
const casesOf = (rows: readonly PeerRow[]): string[] => [...new Set(rows.map((row) => row.case))];

/** The fastest row, undefined if there is none. */
export function fastest(rows: readonly PeerRow[]): Timed | undefined {
  return timed(rows).reduce<Timed | undefined>(
    (best, row) => (best && best.timing.median <= row.timing.median ? best : row),
    undefined,
  );
}

/** Our time for a case is that of the first variant, which has the same layout as the peers'. */
const oursFor = (rows: readonly PeerRow[], name: string) =>
  timed(rows).find((row) => row.case === name && row.contender === 'ours' && row.variant === '');

const peersFor = (rows: readonly PeerRow[], name: string, only = (_: PeerRow) => true) =>
  rows.filter((row) => row.case === name && row.contender !== 'ours' && only(row));

/** How many times faster this project is than the fastest of the peers that `only` accepts. */
export function ratio(
  rows: readonly PeerRow[],
  name: string,
  only?: (row: PeerRow) => boolean,
): number | undefined {
  const ours = oursFor(rows, name);
  const best = fastest(peersFor(rows, name, only));
  return ours && best ? best.timing.median / ours.timing.median : undefined;
}

interface Goal {
  readonly work: string;
  readonly kind: PeerRow['kind'];
  readonly reach: number;
  readonly stretch: number;
  /** Combines the ratios of all cases of the kind. */
  readonly over: (ratios: readonly number[]) => number;
  readonly only?: (row: PeerRow) => boolean;
}

const least = (ratios: readonly number[]) => Math.min(...ratios);
const node = (row: PeerRow) => row.contender === 'onnxruntime-node';
const fused = (row: PeerRow) => row.contender.startsWith('onnxruntime') && row.variant.startsWith('fused');

/** The goals of this project on a software adapter. */
const GOALS: readonly Goal[] = [
  { work: 'GEMM, least ratio to the best peer', kind: 'gemm', reach: 2.5, stretch: 4, over: least },
  {
    work: 'GEMM, geometric mean against onnxruntime-node',
    kind: 'gemm',
    reach: 3,
    stretch: 4,
    over: geometricMean,
    only: node,
  },
  {
    work: "attention, against onnxruntime's fused one",
    kind: 'attention',
    reach: 2,
    stretch: 4,
    over: least,
    only: fused,
  },
  { work: 'LayerNorm, against the best peer', kind: 'layerNorm', reach: 1.5, stretch: 3, over: least },
  { work: 'softmax, against the best peer', kind: 'softmax', reach: 1.5, stretch: 3, over: least },
  { work: 'GELU, against the best peer', kind: 'gelu', reach: 1.5, stretch: 3, over: least },
  {
    work: 'ViT-B/16 encoder, against onnxruntime-node',
    kind: 'encoder',
    reach: 2,
    stretch: 3,
    over: least,
    only: node,
  },
  {
    work: 'forward + backward, against the best of tfjs and jax-js',
    kind: 'training',
    reach: 3,
    stretch: 5,
    over: least,
  },
];

/** How well a goal was reached. */
export interface GoalResult {
  readonly work: string;
  readonly reach: number;
  readonly stretch: number;
  readonly reached: number;
  readonly cases: number;
}

/** Compares measurements with the goals. */
export function compareWithGoals(rows: readonly PeerRow[]): GoalResult[] {
  return GOALS.flatMap(({ work, kind, reach, stretch, over, only }) => {
    const names = casesOf(rows.filter((row) => row.kind === kind));
    const ratios = names.map((name) => ratio(rows, name, only)).filter((r) => r !== undefined);
    return ratios.length === 0 ? [] : [{ work, reach, stretch, reached: over(ratios), cases: ratios.length }];
  });
}

const said = ({ reached, reach, stretch }: GoalResult) =>
  reached >= stretch ? 'yes, stretch too' : reached >= reach ? 'yes' : 'no';

/** Formats all tables of the comparison. */
export function renderPeers(rows: readonly PeerRow[]): string {
  const names = casesOf(rows);
  const contenders = [...new Set(['ours', ...rows.map((row) => row.contender)])];
  const overview = names.map((name) => {
    const best = ratio(rows, name);
    return [
      name,
      ...contenders.map((contender) => {
        const mine = rows.filter((row) => row.case === name && row.contender === contender);
        const found = contender === 'ours' ? oursFor(rows, name) : fastest(mine);
        return found ? number(found.timing.median) : mine.length > 0 ? 'fails' : '-';
      }),
      best === undefined ? '-' : factor(best),
    ];
  });
  const detail = rows.map((row) => [
    row.case,
    row.contender,
    row.variant,
    row.timing ? milliseconds(row.timing) : `fails: ${row.failure}`,
    row.timing && row.flops ? number(perSecond(row.flops, row.timing)) : '',
    row.timing ? counted(row.timing) : '',
    row.error === undefined ? '' : row.error.toExponential(1),
    row.date.slice(0, 16).replace('T', ' '),
  ]);
  const goals = compareWithGoals(rows).map((result) => [
    result.work,
    String(result.cases),
    factor(result.reach),
    factor(result.stretch),
    factor(result.reached),
    said(result),
  ]);
  return [
    'Milliseconds, medians. A peer with several variants is shown with its fastest.\n',
    markdownTable({ head: ['case', ...contenders, 'best peer / ours'], rows: overview }),
    '## Every measurement\n\nMedian (min to max) of the samples, each the mean of several runs.\n',
    markdownTable({
      head: [
        'case',
        'library',
        'variant',
        'ms',
        'GFLOP/s',
        'samples x runs',
        'relative error',
        'measured (UTC)',
      ],
      rows: detail,
      text: 3,
    }),
    '## Goals\n',
    markdownTable({ head: ['goal', 'cases', 'reach', 'stretch', 'measured', 'met'], rows: goals }),
  ].join('\n');
}
