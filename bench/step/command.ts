/** `bench step`: training steps of both stages, their host time, and the gain from fusion, plan and stored class vectors. */
import { type StepFlags, stepSizes } from '../../cli/options/benchSizes.js';
import { stepTable } from '../../cli/terminal/benchTables.js';
import { type Flags, repetitionOf, withReport } from '../command.js';
import { factor, markdownTable } from '../table.js';
import { measureSteps, type StepRow } from '../workloads/steps.js';
import { measureNaive, NAIVE, PLANNED } from './naive.js';

/** Flags of `bench step`. */
export interface StepCommandFlags extends Flags, StepFlags {
  readonly stage: readonly number[];
  /** Whether to time the step without the engine's optimisations too. */
  readonly naive: boolean;
}

/** Runs `bench step` and returns its report. */
export const runStep = (flags: StepCommandFlags): Promise<string> =>
  withReport(
    'step',
    flags,
    async (gpu) => {
      const sizes = stepSizes(gpu, flags);
      const repetition = repetitionOf(gpu, flags);
      const rows = await measureSteps(gpu, sizes, repetition, flags.stage);
      // The unfused operations only exist in float32.
      if (!flags.naive || flags.precision === 'f16' || !flags.stage.includes(2)) return rows;
      rows.push(...(await measureNaive(gpu, sizes, repetition)));
      return rows;
    },
    renderSteps,
  );

const GOAL = { reach: 2, stretch: 3 };

/** Formats the rows, and how many times longer each mode takes than the planned step. */
function renderSteps(rows: readonly StepRow[]): string {
  const planned = rows.find((row) => row.mode === PLANNED);
  const parts = [markdownTable(stepTable(rows))];
  if (planned) {
    const ratio = (row: StepRow) => row.timing.median / planned.timing.median;
    const naive = rows.find((row) => row.mode === NAIVE)!;
    const met = ratio(naive) >= GOAL.stretch ? 'yes, stretch too' : ratio(naive) >= GOAL.reach ? 'yes' : 'no';
    parts.push(
      markdownTable({
        head: ['stage 2', 'times the planned step'],
        rows: rows.filter(({ mode }) => mode !== undefined).map((row) => [row.mode!, factor(ratio(row))]),
      }),
      `Goal, of the last row: ${factor(GOAL.reach)} (stretch ${factor(GOAL.stretch)}); met: ${met}.\n`,
    );
  }
  return parts.join('\n');
}
