/** Tables on a terminal. */
import Table from 'cli-table3';
import { fixed } from '../../models/numbers.js';
import type { Accuracy } from '../../models/promptkd/shared/evaluate.js';

/**
 * Formats a table. Columns are right-aligned except for the first `text` ones. The library leaves out colours if the output
 * is no terminal.
 */
export function formatTable(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  { text = 1 }: { text?: number } = {},
): string {
  const table = new Table({
    head: [...head],
    style: { head: [], border: [], compact: true },
    colAligns: head.map((_, i) => (i < text ? 'left' : 'right')),
  });
  table.push(...rows.map((row) => [...row]));
  return `${table.toString()}\n`;
}

/** Accuracies of one model. */
export interface NamedAccuracy extends Accuracy {
  readonly name: string;
}

/** Accuracies in percent, one model per row. HM: harmonic mean of base and novel. */
export function formatAccuracies(rows: readonly NamedAccuracy[]): string {
  return formatTable(
    ['model', 'base', 'novel', 'HM', 'all'],
    rows.map(({ name, base, novel, harmonicMean, all }) => [
      name,
      ...[base, novel, harmonicMean, all].map((value) => fixed(value)),
    ]),
  );
}
