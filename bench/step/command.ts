/** `bench step`: training steps of both stages, what they cost the host, and what fusion, plan and stored text save. */
import { type StepFlags, stepSizes } from '../../cli/options/benchSizes.js';
import { stepTable } from '../../cli/terminal/benchTables.js';
import { type Flags, repetitionOf, withReport } from '../command.js';
import { factor, markdownTable } from '../table.js';
import { measureSteps, type StepRow } from '../workloads/steps.js';
import { measureNaive, NAIVE, PLANNED } from './naive.js';

export interface StepCommandFlags extends Flags, StepFlags {
  readonly stage: readonly number[];
  /** Also the same step without what the engine does for it. */
  readonly naive: boolean;
}

export const runStep = (flags: StepCommandFlags): Promise<string> =>
  withReport(
    'step',
    flags,
    async (gpu) => {
      const sizes = stepSizes(gpu, flags);
      const repetition = repetitionOf(gpu, flags);
      const rows = await measureSteps(gpu, sizes, repetition, flags.stage);
      // The smallest operations are float32 only.
      if (!flags.naive || flags.precision === 'f16' || !flags.stage.includes(2)) return rows;
      rows.push(...(await measureNaive(gpu, sizes, repetition)));
      return rows;
    },
    renderSteps,
  );

const GOAL = { reach: 2, stretch: 3 };

/** How many times longer than the planned step each mode took. */
export function renderSteps(rows: readonly StepRow[]): string {
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
