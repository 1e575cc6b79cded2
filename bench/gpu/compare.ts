/** Tables that compare this project with PyTorch and onnxruntime, from the files of bench/gpu/run.sh. */
import { number } from '../../models/numbers.js';
import type { PeerRow } from '../peers/compare.js';
import { factor, markdownTable } from '../table.js';
import type { EncoderRow } from '../workloads/encoder.js';
import type { KernelRow } from '../workloads/kernels.js';
import type { StepRow } from '../workloads/steps.js';

/** A row of pytorch_step.py. */
export interface TorchRow {
  readonly kind: 'step' | 'gemm' | 'attention' | 'encoder';
  readonly dtype: 'f32' | 'f16';
  readonly ms: number;
  /** For matmuls: rows, depth, columns; for attention: batch, heads, tokens, columns per head. */
  readonly sizes?: readonly number[];
  /** For matmuls: layout of the second matrix, as weights are stored (nt) or as their gradient needs it (nn). */
  readonly layout?: 'nt' | 'nn';
  readonly direction?: 'forward' | 'backward';
  readonly model?: string;
  readonly models?: string;
  readonly batch?: number;
  readonly classes?: number;
}

type EncoderTime = Pick<EncoderRow, 'model' | 'batch' | 'dtype' | 'activations'> & {
  timing: { median: number };
};
type StepTime = Pick<StepRow, 'stage' | 'mode' | 'models' | 'batch' | 'classes' | 'dtype' | 'activations'> & {
  timing: { median: number };
};
type KernelTime = Pick<KernelRow, 'family' | 'name' | 'dtype' | 'flops'> & { timing: { median: number } };
type PeerTime = Pick<PeerRow, 'case' | 'contender'> & { timing?: { median: number } };

/** How many times longer `theirs` takes, as text. */
const ratio = (theirs: number, ours: number) => factor(theirs / ours);

/** Compares stage-2 steps of the same models and sizes. */
export function stepTable(ours: readonly StepTime[], torch: readonly TorchRow[]): string {
  const rows = ours
    .filter(({ stage, mode }) => stage === 2 && mode === undefined)
    .flatMap((step) => {
      const other = torch.find(
        ({ kind, ...row }) =>
          kind === 'step' &&
          (['models', 'batch', 'classes', 'dtype'] as const).every((key) => row[key] === step[key]),
      );
      return other ? [{ step, other }] : [];
    });
  if (rows.length === 0) return '';
  return markdownTable({
    head: [
      'stage-2 step',
      'batch',
      'classes',
      'stored',
      'activations',
      'ours ms',
      'PyTorch ms',
      'PyTorch / ours',
    ],
    rows: rows.map(({ step, other }) => [
      step.models,
      ...[String(step.batch), String(step.classes), step.dtype, step.activations],
      ...[number(step.timing.median), number(other.ms), ratio(other.ms, step.timing.median)],
    ]),
  });
}

/** Splits `forward 8 x 12 x 197 x 64` or `dqkv 1576 x 2304 x 768` into the word and the sizes. */
function named(name: string): { readonly word: string; readonly sizes: string } {
  const [, word, sizes] = /^(.*?) ?(\d+(?: x \d+)*)$/.exec(name) ?? ['', name, ''];
  return { word: word!, sizes: sizes! };
}

/** Compares matmul and attention kernels of the same sizes. */
export function kernelTable(ours: readonly KernelTime[], torch: readonly TorchRow[]): string {
  const keyOf = (row: TorchRow) =>
    [row.kind, row.layout ?? row.direction, row.sizes?.join(' x '), row.dtype].join();
  const known = new Map(torch.filter(({ sizes }) => sizes).map((row) => [keyOf(row), row]));
  const rows = ours.flatMap((kernel) => {
    const { word, sizes } = named(kernel.name);
    const kind = kernel.family.startsWith('gemm-') ? 'gemm' : kernel.family;
    const way = kind === 'gemm' ? kernel.family.slice('gemm-'.length) : word;
    const other = known.get([kind, way, sizes, kernel.dtype].join());
    return other ? [{ kernel, other }] : [];
  });
  if (rows.length === 0) return '';
  // Use our count of operations for both, so that the rates compare the same work.
  const rate = (flops: number, ms: number) => (flops > 0 ? number(flops / ms / 1e9) : '');
  return markdownTable({
    head: [
      ...['kernel', 'shape', 'stored'],
      ...['ours ms', 'TFLOP/s', 'PyTorch ms', 'TFLOP/s', 'PyTorch / ours'],
    ],
    text: 3,
    rows: rows.map(({ kernel: { family, name, dtype, flops, timing }, other }) => [
      ...[family, name, dtype],
      ...[number(timing.median), rate(flops, timing.median)],
      ...[number(other.ms), rate(flops, other.ms), ratio(other.ms, timing.median)],
    ]),
  });
}

/** Compares image encoders. onnxruntime's time is shown with the float32 encoder, relative to the run that alternated with it. */
export function encoderTable(
  ours: readonly EncoderTime[],
  torch: readonly TorchRow[],
  peers: readonly PeerTime[],
): string {
  const least = (name: string, contender: (id: string) => boolean) => {
    const times = peers.filter((row) => row.case === name && contender(row.contender) && row.timing);
    return times.length > 0 ? Math.min(...times.map((row) => row.timing!.median)) : undefined;
  };
  const rows = ours.flatMap((row) => {
    const name = `${row.model} encoder, batch ${row.batch}`;
    const other = torch.find(
      ({ kind, model, batch, dtype }) =>
        kind === 'encoder' && model === row.model && batch === row.batch && dtype === row.dtype,
    );
    const onnx = row.dtype === 'f32' ? least(name, (id) => id.startsWith('onnxruntime')) : undefined;
    const beside = least(name, (id) => id === 'ours');
    if (!other && onnx === undefined) return [];
    const { median } = row.timing;
    return [
      [
        ...[row.model, String(row.batch), row.dtype, number(median)],
        ...(other ? [number(other.ms), ratio(other.ms, median)] : ['', '']),
        ...(onnx === undefined ? ['', ''] : [number(onnx), ratio(onnx, beside ?? median)]),
      ],
    ];
  });
  if (rows.length === 0) return '';
  return markdownTable({
    head: [
      ...['image encoder', 'batch', 'stored', 'ours ms'],
      ...['PyTorch ms', 'PyTorch / ours', 'onnxruntime ms', 'onnxruntime / ours'],
    ],
    rows,
  });
}
