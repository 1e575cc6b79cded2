/** Markdown tables and the numbers in them. */
import type { Timing } from '../engine/measure.js';

/** A table in Markdown; columns after the first `text` ones are set to the right. */
export function markdownTable(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  { text = 1 }: { readonly text?: number } = {},
): string {
  const escaped = (cell: string) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ');
  const line = (cells: readonly string[]) => `| ${cells.map(escaped).join(' | ')} |`;
  const rule = `|${head.map((_, i) => (i < text ? '---' : '---:')).join('|')}|`;
  return `${[line(head), rule, ...rows.map(line)].join('\n')}\n`;
}

/** Three significant digits, without an exponent. */
export function number(value: number): string {
  if (!Number.isFinite(value)) return '-';
  if (value === 0) return '0';
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return value.toFixed(Math.min(digits, 6));
}

/** `median (min to max)`, in milliseconds. */
export const milliseconds = ({ median, min, max }: Timing): string =>
  `${number(median)} (${number(min)} to ${number(max)})`;

/** Work of one run in thousand millions a second. */
export const perSecond = (work: number, { median }: Pick<Timing, 'median'>): number => work / median / 1e6;

export const percent = (share: number): string => `${number(100 * share)} %`;

/** `2.41x`. */
export const factor = (value: number): string => `${value.toFixed(2)}x`;

export const geometricMean = (values: readonly number[]): number =>
  Math.exp(values.reduce((sum, v) => sum + Math.log(v), 0) / values.length);
