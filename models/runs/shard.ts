/** Which share of the work a process computes, where several do without talking to each other. */
import { UserError } from '../../engine/errors.js';

/** Share `index` of `count`, counted from 1. */
export interface Shard {
  readonly index: number;
  readonly count: number;
}

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
  const refused = (problem: string) =>
    new UserError(problem, `give ${flag} I/N with I from 1 to N, such as ${flag} 2/4`);
  const checked = (index: number, count: number, what: string): Shard => {
    if (count < 1 || index < 1 || index > count || !Number.isInteger(index))
      throw refused(`${what}: there is no share ${index} of ${count}`);
    return { index, count };
  };
  const variable = (name: string, unset = ''): number => {
    const text = environment[name] ?? unset;
    if (!/^\d+$/.test(text)) throw refused(`${name} is "${text}", which is not a whole number`);
    return Number(text);
  };
  // Slurm's array may begin at any number and go in steps.
  const slurm = (): Shard | undefined => {
    const { SLURM_ARRAY_TASK_ID: id, SLURM_ARRAY_TASK_COUNT: tasks } = environment;
    if (id === undefined || tasks === undefined) return undefined;
    const count = variable('SLURM_ARRAY_TASK_COUNT');
    const first = variable('SLURM_ARRAY_TASK_MIN', '1');
    const step = variable('SLURM_ARRAY_TASK_STEP', '1') || 1;
    const index = (variable('SLURM_ARRAY_TASK_ID') - first) / step + 1;
    return checked(index, count, `SLURM_ARRAY_TASK_ID ${id}`);
  };

  if (given === undefined) return slurm();
  const match = /^(?:(\d+)\/)?(\d+)$/.exec(given.trim());
  if (!match) throw refused(`${flag} ${given} is not a share`);
  const count = Number(match[2]);
  if (match[1] !== undefined) return checked(Number(match[1]), count, `${flag} ${given}`);
  if (environment.JOB_COMPLETION_INDEX !== undefined)
    return checked(variable('JOB_COMPLETION_INDEX') + 1, count, 'JOB_COMPLETION_INDEX');
  const found = slurm();
  if (!found)
    throw refused(
      `${flag} ${given} says how many shares there are, and neither Kubernetes nor Slurm says which one this is`,
    );
  return checked(found.index, count, 'SLURM_ARRAY_TASK_ID');
}
