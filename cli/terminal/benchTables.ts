/** The tables of `promptkd bench` and of bench/. */
import type { EncoderRow } from '../../bench/workloads/encoder.js';
import { aluShare, copyShare, type KernelRow } from '../../bench/workloads/kernels.js';
import type { StepRow } from '../../bench/workloads/steps.js';
import { number, percent } from '../../models/numbers.js';
import { counted, milliseconds, perSecond } from './timings.js';

/** A table as text. */
export interface TableText {
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** How many columns from the left hold text (default 1). */
  readonly text?: number;
}

/** As a bare number: the column's head has the unit. */
const mebibytes = (bytes: number) => number(bytes / 2 ** 20);

/** A kernel per row. */
export const kernelTable = (rows: readonly KernelRow[]): TableText => ({
  head: [
    'kernel',
    'shape',
    'sizes of',
    'stored',
    'ms',
    'GFLOP/s',
    'of peak',
    'GB/s',
    'of copy',
    'samples x runs',
  ],
  text: 4,
  rows: rows.map((row) => {
    const share = aluShare(row);
    return [
      row.family,
      row.name,
      row.model,
      row.dtype,
      milliseconds(row.timing),
      row.flops > 0 ? number(perSecond(row.flops, row.timing)) : '',
      share === undefined ? '' : percent(share),
      number(perSecond(row.bytes, row.timing)),
      percent(copyShare(row)),
      counted(row.timing),
    ];
  }),
});

/** The peaks that the shares refer to: the range of those measured with the rows. */
export function peakLine(rows: readonly KernelRow[]): string {
  const range = (unit: 'flops' | 'bytes') => {
    const known = rows.flatMap(({ peak }) => peak[unit] ?? []).map((rate) => rate / 1e6);
    return known.length > 0 ? `${number(Math.min(...known))} to ${number(Math.max(...known))}` : 'no';
  };
  return `Peaks of this adapter, measured between the rows: ${range('flops')} GFLOP/s (fused multiply-add in registers), ${range('bytes')} GB/s (copy, reads plus writes).\n`;
}

/** Mean speed of all matmuls of a ViT step (NT: forward; NN: gradient of activations), weighted by their work. */
export function weightedLines(rows: readonly KernelRow[]): string {
  const inSteps = rows.filter(({ family, model }) => /^gemm-n[nt]$/.test(family) && /^ViT/.test(model));
  return [...new Set(inSteps.map(({ dtype }) => dtype))]
    .map((dtype) => {
      const of = inSteps.filter((row) => row.dtype === dtype);
      const [work, time] = [of.map(({ flops }) => flops), of.map(({ timing }) => timing.median)].map(sum);
      return `The ${of.length} matmuls of the ViT shapes, weighted by their work, ${dtype}: ${number(work! / time! / 1e6)} GFLOP/s.\n`;
    })
    .join('\n');
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

/** How values are stored; activations are float16 only on tensor cores. */
const stored = ({ dtype, activations }: Pick<StepRow, 'dtype' | 'activations'>): string =>
  dtype === activations ? dtype : `${dtype}, activations ${activations}`;

/** A model and batch per row. */
export const encoderTable = (rows: readonly EncoderRow[]): TableText => ({
  head: [
    'image encoder',
    'batch',
    'stored',
    'ms',
    'ms/image',
    'GFLOP/s',
    'dispatches',
    'MiB',
    'samples x runs',
  ],
  rows: rows.map(({ model, batch, timing, flops, dispatches, bytes, ...row }) => [
    model,
    String(batch),
    stored(row),
    milliseconds(timing),
    number(timing.median / batch),
    number(perSecond(flops, timing)),
    String(dispatches),
    mebibytes(bytes),
    counted(timing),
  ]),
});

/** A training step per row. */
export const stepTable = (rows: readonly StepRow[]): TableText => ({
  head: [
    'step',
    'models',
    'batch',
    'classes',
    'stored',
    'ms',
    'images/s',
    'GFLOP/s',
    'dispatches',
    'host us/dispatch',
    'MiB',
    'samples x runs',
  ],
  text: 2,
  rows: rows.map((row) => [
    `stage ${row.stage}${row.mode === undefined ? '' : `, ${row.mode}`}`,
    row.models,
    String(row.batch),
    String(row.classes),
    stored(row),
    milliseconds(row.timing),
    number((1000 * row.batch) / row.timing.median),
    number(perSecond(row.flops, row.timing)),
    String(row.dispatches),
    row.hostMicroseconds === undefined ? '' : number(row.hostMicroseconds),
    mebibytes(row.bytes),
    counted(row.timing),
  ]),
});
