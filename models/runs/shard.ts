/** Which share of the work a process computes, where several do without talking to each other. */
import { UserError } from '../../engine/errors.js';

/** Share `index` of `count`, counted from 1. */
export interface Shard {
  readonly index: number;
  readonly count: number;
}

const hintFor = (flag: string) => `give ${flag} I/N with I from 1 to N, such as ${flag} 2/4`;

/**
 * The share that a process computes: what the user gives, else what Slurm or Kubernetes say.
 *
 * - `I/N`: share I of N, counted from 1;
 * - `N`: N shares, and I from `JOB_COMPLETION_INDEX` (a Kubernetes Indexed Job counts from 0) or from Slurm;
 * - nothing: from `SLURM_ARRAY_TASK_ID` and `SLURM_ARRAY_TASK_COUNT` where Slurm runs the process in an array.
 *
 * @param given the flag's text
 * @param environment variables of the process
 * @param flag its name, for messages
 * @returns undefined where everything is to be computed
 * @throws UserError when the numbers make no share
 */
export function shardOf(
  given: string | undefined,
  environment: Readonly<Record<string, string | undefined>>,
  flag = '--shard',
): Shard | undefined {
  const hint = hintFor(flag);
  if (given === undefined) return slurmShard(environment, hint);
  const match = /^(?:(\d+)\/)?(\d+)$/.exec(given.trim());
  if (!match) throw new UserError(`${flag} ${given} is not a share`, hint);
  const count = Number(match[2]);
  if (match[1] !== undefined) return checked(Number(match[1]), count, `${flag} ${given}`, hint);
  const kubernetes = environment.JOB_COMPLETION_INDEX;
  if (kubernetes !== undefined)
    return checked(
      wholeNumber('JOB_COMPLETION_INDEX', kubernetes, hint) + 1,
      count,
      'JOB_COMPLETION_INDEX',
      hint,
    );
  const slurm = slurmShard(environment, hint);
  if (!slurm)
    throw new UserError(
      `${flag} ${given} says how many shares there are, and neither Kubernetes nor Slurm says which one this is`,
      hint,
    );
  return checked(slurm.index, count, 'SLURM_ARRAY_TASK_ID', hint);
}

/** Slurm's array may begin at any number and go in steps. */
function slurmShard(
  environment: Readonly<Record<string, string | undefined>>,
  hint: string,
): Shard | undefined {
  const { SLURM_ARRAY_TASK_ID: id, SLURM_ARRAY_TASK_COUNT: tasks } = environment;
  if (id === undefined || tasks === undefined) return undefined;
  const count = wholeNumber('SLURM_ARRAY_TASK_COUNT', tasks, hint);
  const first = wholeNumber('SLURM_ARRAY_TASK_MIN', environment.SLURM_ARRAY_TASK_MIN ?? '1', hint);
  const step = wholeNumber('SLURM_ARRAY_TASK_STEP', environment.SLURM_ARRAY_TASK_STEP ?? '1', hint) || 1;
  const index = (wholeNumber('SLURM_ARRAY_TASK_ID', id, hint) - first) / step + 1;
  return checked(index, count, `SLURM_ARRAY_TASK_ID ${id}`, hint);
}

function wholeNumber(name: string, text: string, hint: string): number {
  if (!/^\d+$/.test(text)) throw new UserError(`${name} is "${text}", which is not a whole number`, hint);
  return Number(text);
}

function checked(index: number, count: number, what: string, hint: string): Shard {
  if (count < 1 || index < 1 || index > count || !Number.isInteger(index))
    throw new UserError(`${what}: there is no share ${index} of ${count}`, hint);
  return { index, count };
}
