/** What all measurements share: flags, adapter, report. */
import { attachKernels } from '../cli/device/kernelStore.js';
import type { Level } from '../engine/capabilities.js';
import { type Gpu, openGpu } from '../engine/gpu/gpu.js';
import { type Repetition, warmUpFor } from '../engine/gpu/measure.js';
import { environmentOf } from './environment.js';
import { writeReport } from './results.js';

/** Flags of every measurement. */
export interface Flags {
  readonly only?: readonly string[];
  readonly shapes?: readonly string[];
  readonly repeats: number;
  readonly quick?: boolean;
  readonly out?: string;
  readonly level?: Level;
}

/** Prints a line of progress. */
export const log = (text: string) => process.stderr.write(`${text}\n`);

/** Whether `text` contains one of `parts`, ignoring spaces and case; true without `parts`. */
export function has(parts: readonly string[] | undefined, text: string): boolean {
  const plain = (s: string) => s.replaceAll(' ', '').toLowerCase();
  return parts === undefined || parts.some((part) => plain(text).includes(plain(part)));
}

/**
 * Opens the adapter, measures, and writes the report.
 *
 * @param measure may store rows meanwhile with `keep`, so that a stopped command does not lose them
 */
export async function withReport<Row>(
  name: string,
  { out, level }: Flags,
  measure: (gpu: Gpu, keep: (rows: readonly Row[]) => void) => Promise<readonly Row[]>,
  render: (rows: readonly Row[]) => string,
): Promise<string> {
  const gpu = await openGpu({ level });
  // As the command line does.
  attachKernels(gpu);
  try {
    const environment = environmentOf(gpu);
    const keep = (rows: readonly Row[]) =>
      writeReport({ name, date: new Date().toISOString(), environment, rows }, render, { out });
    return keep(await measure(gpu, keep));
  } finally {
    gpu.destroy();
  }
}

/** How often to time something: a sample lasts at least 50 ms, and the GPU's clocks are warmed up first. */
export const repetitionOf = (gpu: Gpu, { repeats, quick }: Pick<Flags, 'repeats' | 'quick'>): Repetition => ({
  repeats,
  leastMs: quick ? 2 : 50,
  warmMs: warmUpFor(gpu),
});
