/** Numbers as tables and messages show them. */
import type { Timing } from '../../engine/gpu/measure.js';

/** Three significant digits without an exponent; `-` if not finite. */
export function number(value: number): string {
  if (!Number.isFinite(value)) return '-';
  if (value === 0) return '0';
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return value.toFixed(Math.min(digits, 6));
}

/** `median (min to max)`, in milliseconds. */
export const milliseconds = ({ median, min, max }: Timing): string =>
  `${number(median)} (${number(min)} to ${number(max)})`;

/** Billions per second of the `work` (operations or bytes) of one run. */
export const perSecond = (work: number, { median }: Pick<Timing, 'median'>): number => work / median / 1e6;

/** A share from 0 to 1 in percent. */
export const percent = (share: number): string => `${number(100 * share)} %`;

/** `5 x 12`: the number of samples, and the number of runs that each sample averages. */
export const counted = ({ samples, runs }: Timing): string => `${samples.length} x ${runs}`;
