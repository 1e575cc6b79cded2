/** `bench kernels` and `bench encoder`; bench/workloads does the measuring. */
import { encoderTable, kernelTable, peakLine, weightedLines } from '../cli/terminal/benchTables.js';
import type { Precision } from '../models/clip/precision.js';
import { type Flags, has, log, repetitionOf, withReport } from './command.js';
import { markdownTable } from './table.js';
import { measureEncoder } from './workloads/encoder.js';
import { casesFor } from './workloads/kernelCases.js';
import { type KernelRow, measureKernels } from './workloads/kernels.js';
import { modelNamed } from './workloads/models.js';

/** Runs `bench kernels` and returns its report. */
export const runKernels = (flags: Flags & { readonly precision: readonly Precision[] }): Promise<string> =>
  withReport<KernelRow>(
    'kernels',
    flags,
    (gpu, keep) =>
      measureKernels(gpu, {
        cases: casesFor(gpu.capabilities, flags.precision, flags.quick === true).filter(
          ({ family, name }) => has(flags.only, family) && has(flags.shapes, name),
        ),
        repetition: repetitionOf(gpu, flags),
        onProgress: log,
        onRows: keep,
      }),
    (rows) =>
      [peakLine(rows), markdownTable(kernelTable(rows)), weightedLines(rows)].filter(Boolean).join('\n'),
  );

/** Runs `bench encoder` and returns its report. */
export const runEncoder = (
  flags: Flags & {
    readonly model: string;
    readonly batches: readonly number[];
    readonly precision: readonly Precision[];
  },
): Promise<string> =>
  withReport(
    'encoder',
    flags,
    (gpu) => {
      const model = flags.quick ? 'emoji-student' : flags.model;
      const repetition = repetitionOf(gpu, flags);
      return measureEncoder(gpu, model, modelNamed(model), flags.batches, flags.precision, repetition);
    },
    (rows) => markdownTable(encoderTable(rows)),
  );
