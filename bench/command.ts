/** What the commands of the bench share. */
import { attachKernels } from '../cli/device/kernelStore.js';
import type { Level } from '../engine/capabilities.js';
import { type Gpu, openGpu } from '../engine/gpu/gpu.js';
import { type Repetition, warmUpFor } from '../engine/gpu/measure.js';
import { environmentOf } from './environment.js';
import { writeReport } from './results.js';

export interface Flags {
  readonly only?: readonly string[];
  readonly shapes?: readonly string[];
  readonly repeats: number;
  readonly quick?: boolean;
  readonly out?: string;
  readonly level?: Level;
}

export const log = (text: string) => process.stderr.write(`${text}\n`);

/** Whether one of `parts` (all, when there are none) is in `text`, blanks and case aside. */
export function has(parts: readonly string[] | undefined, text: string): boolean {
  const plain = (s: string) => s.replaceAll(' ', '').toLowerCase();
  return parts === undefined || parts.some((part) => plain(text).includes(plain(part)));
}

/**
 * Opens the adapter, measures, and writes the report.
 *
 * @param measure may also give rows while it goes on, so that a command that is stopped keeps what it measured
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

/** How often something is timed: a sample of small kernels lasts 50 ms, and a GPU's clocks are warm before it. */
export const repetitionOf = (gpu: Gpu, { repeats, quick }: Pick<Flags, 'repeats' | 'quick'>): Repetition => ({
  repeats,
  leastMs: quick ? 2 : 50,
  warmMs: warmUpFor(gpu),
});
