/** Timings as tables and messages show them. */
import type { Timing } from '../../engine/gpu/measure.js';
import { number } from '../../models/numbers.js';

/** `median (min to max)`, in milliseconds. */
export const milliseconds = ({ median, min, max }: Timing): string =>
  `${number(median)} (${number(min)} to ${number(max)})`;

/** Billions per second of the `work` (operations or bytes) of one run. */
export const perSecond = (work: number, { median }: Pick<Timing, 'median'>): number => work / median / 1e6;

/** `5 x 12`: the number of samples, and the number of runs that each sample averages. */
export const counted = ({ samples, runs }: Timing): string => `${samples.length} x ${runs}`;
