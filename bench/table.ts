/** Markdown tables. */
import type { TableText } from '../cli/terminal/benchTables.js';

/** Formats a table in Markdown. Columns are right-aligned except for the first `text` ones. */
export function markdownTable({ head, rows, text = 1 }: TableText): string {
  const escaped = (cell: string) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ');
  const line = (cells: readonly string[]) => `| ${cells.map(escaped).join(' | ')} |`;
  const rule = `|${head.map((_, i) => (i < text ? '---' : '---:')).join('|')}|`;
  return `${[line(head), rule, ...rows.map(line)].join('\n')}\n`;
}

/** Formats a factor as `2.41x`. */
export const factor = (value: number): string => `${value.toFixed(2)}x`;

/** The geometric mean of positive values. */
export const geometricMean = (values: readonly number[]): number =>
  Math.exp(values.reduce((sum, v) => sum + Math.log(v), 0) / values.length);
