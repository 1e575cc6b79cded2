/** A machine's share of a reproduction's trials, by a rule that needs no talk between machines. */
import { UserError } from '../../engine/errors.js';

/** Share `index` of `count`, counted from 1. */
export interface Shard {
  readonly index: number;
  readonly count: number;
}

const HINT = 'give --shard I/N with I from 1 to N, such as --shard 2/4';

/**
 * The share that a process computes: what the user gives, else what Slurm or Kubernetes say.
 *
 * - `I/N`: share I of N, counted from 1;
 * - `N`: N shares, and I from `JOB_COMPLETION_INDEX` (a Kubernetes Indexed Job counts from 0) or from Slurm;
 * - nothing: from `SLURM_ARRAY_TASK_ID` and `SLURM_ARRAY_TASK_COUNT` where Slurm runs the process in an array.
 *
 * @param given the flag's text
 * @param environment variables of the process
 * @returns undefined where everything is to be computed
 * @throws UserError when the numbers make no share
 */
export function shardOf(
  given: string | undefined,
  environment: Readonly<Record<string, string | undefined>>,
): Shard | undefined {
  if (given === undefined) return slurmShard(environment);
  const match = /^(?:(\d+)\/)?(\d+)$/.exec(given.trim());
  if (!match) throw new UserError(`--shard ${given} is not a share`, HINT);
  const count = Number(match[2]);
  if (match[1] !== undefined) return checked(Number(match[1]), count, `--shard ${given}`);
  const kubernetes = environment.JOB_COMPLETION_INDEX;
  if (kubernetes !== undefined)
    return checked(wholeNumber('JOB_COMPLETION_INDEX', kubernetes) + 1, count, 'JOB_COMPLETION_INDEX');
  const slurm = slurmShard(environment);
  if (!slurm)
    throw new UserError(
      `--shard ${given} says how many shares there are, and neither Kubernetes nor Slurm says which one this is`,
      HINT,
    );
  return checked(slurm.index, count, 'SLURM_ARRAY_TASK_ID');
}

/** Slurm's array may begin at any number and go in steps. */
function slurmShard(environment: Readonly<Record<string, string | undefined>>): Shard | undefined {
  const { SLURM_ARRAY_TASK_ID: id, SLURM_ARRAY_TASK_COUNT: tasks } = environment;
  if (id === undefined || tasks === undefined) return undefined;
  const count = wholeNumber('SLURM_ARRAY_TASK_COUNT', tasks);
  const first = wholeNumber('SLURM_ARRAY_TASK_MIN', environment.SLURM_ARRAY_TASK_MIN ?? '1');
  const step = wholeNumber('SLURM_ARRAY_TASK_STEP', environment.SLURM_ARRAY_TASK_STEP ?? '1') || 1;
  const index = (wholeNumber('SLURM_ARRAY_TASK_ID', id) - first) / step + 1;
  return checked(index, count, `SLURM_ARRAY_TASK_ID ${id}`);
}

function wholeNumber(name: string, text: string): number {
  if (!/^\d+$/.test(text)) throw new UserError(`${name} is "${text}", which is not a whole number`, HINT);
  return Number(text);
}

function checked(index: number, count: number, what: string): Shard {
  if (count < 1 || index < 1 || index > count || !Number.isInteger(index))
    throw new UserError(`${what}: there is no share ${index} of ${count}`, HINT);
  return { index, count };
}

/**
 * The trials of a share. Trials with the same teacher stay together, as two machines must not tune it twice; those groups are dealt
 * in turn, in the order of the plan.
 */
export function trialsOf<T extends { readonly teacherRun: string }>(
  trials: readonly T[],
  { index, count }: Shard,
): T[] {
  const groups = [...new Set(trials.map(({ teacherRun }) => teacherRun))];
  const share = new Set(groups.filter((_, i) => i % count === index - 1));
  return trials.filter(({ teacherRun }) => share.has(teacherRun));
}
