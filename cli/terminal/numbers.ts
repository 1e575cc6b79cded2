/** Numbers for people. */
import type { Timing } from '../../engine/gpu/measure.js';

/** Three significant digits, without an exponent; `-` for what is no number. */
export function number(value: number): string {
  if (!Number.isFinite(value)) return '-';
  if (value === 0) return '0';
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return value.toFixed(Math.min(digits, 6));
}

/** `median (least to most)`, in milliseconds. */
export const milliseconds = ({ median, min, max }: Timing): string =>
  `${number(median)} (${number(min)} to ${number(max)})`;

/** Thousand millions a second of `work` (operations, bytes) that one run does. */
export const perSecond = (work: number, { median }: Pick<Timing, 'median'>): number => work / median / 1e6;

export const percent = (share: number): string => `${number(100 * share)} %`;

/** `5 x 12`: samples, and the runs that each is the mean of. */
export const counted = ({ samples, runs }: Timing): string => `${samples.length} x ${runs}`;
