/** `bench profile`: where the time of a training step goes, kernel by kernel. */
import { type StepFlags, stepSizes } from '../../cli/options/benchSizes.js';
import { number, percent } from '../../models/numbers.js';
import { type Flags, withReport } from '../command.js';
import { markdownTable } from '../table.js';
import { type ProfileRow, profileSteps } from '../workloads/steps.js';

/** Flags of `bench profile`. */
export interface ProfileFlags extends Flags, StepFlags {
  readonly stage: readonly number[];
}

/** Runs `bench profile` and returns its report. */
export const runProfile = (flags: ProfileFlags): Promise<string> =>
  withReport(
    'profile',
    flags,
    (gpu) => profileSteps(gpu, stepSizes(gpu, flags), flags.repeats, flags.stage),
    renderProfiles,
  );

/** Formats one table per step. */
const renderProfiles = (rows: readonly ProfileRow[]): string =>
  rows
    .map(({ stage, models, batch, classes, dtype, activations, kernels, step }) => {
      const total = kernels.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
      const table = markdownTable({
        head: ['kernel', 'launches', 'ms', 'share', 'TFLOP/s', 'GB/s'],
        rows: kernels.map(({ name, launches, milliseconds, flops, bytes }) => [
          name,
          String(launches),
          number(milliseconds),
          percent(milliseconds / total),
          flops > 0 ? number(flops / milliseconds / 1e9) : '',
          number(bytes / milliseconds / 1e6),
        ]),
      });
      const title = `stage ${stage}, ${models}, batch ${batch}, ${classes} classes, ${dtype} (activations ${activations})`;
      return `${title}: kernels ${number(total)} ms, the step ${number(step.median)} ms\n\n${table}`;
    })
    .join('\n');
