/** Several processes that want one folder: one has it, the others are told who, and a dead owner's folder is taken over. */
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Random } from '../../models/random.js';
import { makeTinyWorld } from '../helpers/tinyWorld.js';
import { cases, type Outcome, type TortureOptions } from './kit.js';
import { type Ended, start, ugliness } from './process.js';
import { argumentsOf, difference, leftovers, results, runWhole, VARIANTS } from './runs.js';

const REFUSED = /in use|another process|process \d+/;

export async function locks(folder: string, options: TortureOptions): Promise<Outcome> {
  const world = await makeTinyWorld(folder);
  const teacher = VARIANTS[0]!;
  const reference = new Map<number, Map<string, string>>();
  const argsOf = (seed: number) => [...argumentsOf(world, teacher, ''), '--seed', String(seed)];
  for (const seed of [1, 2]) {
    const cwd = join(folder, `whole-${seed}`);
    await runWhole(world, { ...teacher, flags: [...teacher.flags, '--seed', String(seed)] }, cwd, '');
    reference.set(seed, results(join(cwd, 'run')));
  }
  /** Starts processes with these seeds at once; which of them ran to their end, or what is wrong. */
  const race = async (cwd: string, seeds: readonly number[], resume: boolean) => {
    const started = seeds.map((seed) => start([...argsOf(seed), ...(resume ? ['--resume'] : [])], cwd));
    const ended = await Promise.all(started.map((one) => one.ended));
    const winners = ended.flatMap(({ status }, i) => (status === 0 ? [i] : []));
    const problem = ended
      .map((one, i) =>
        refusal(
          one,
          started.map(({ pid }) => pid),
          started[i]!.pid,
        ),
      )
      .find(Boolean);
    return { winners, problem };
  };
  return cases(options, async (seed) => {
    const random = Random.of(seed, 'locks');
    const cwd = join(folder, `seed-${seed}`);
    mkdirSync(cwd, { recursive: true });
    const other = 1 + (seed % 2);
    const dead = random.below(2) === 0;
    if (dead) {
      // Killed when it has the folder: from its start until its last moments.
      const owner = start(argsOf(1), cwd);
      while (!existsSync(join(cwd, 'run', 'config.yaml')) && !owner.over()) await sleep(2);
      await sleep(random.below(1500));
      owner.kill();
      if (!(await owner.ended).killed) return undefined;
    }
    const seeds = dead ? [1, 1, 1] : [1, other];
    const { winners, problem } = await race(cwd, seeds, dead);
    const tale = (what: string) => `${dead ? 'behind a dead owner, ' : ''}seeds ${seeds}: ${what}`;
    if (problem) return tale(problem);
    // One may have come when the other was done: it was refused as the run was there, or had nothing left to do.
    if (winners.length === 0 || (winners.length > 1 && !dead)) return tale(`${winners.length} of them ran`);
    const differs = difference(results(join(cwd, 'run')), reference.get(seeds[winners[0]!]!)!);
    if (differs) return tale(differs);
    const config = readFileSync(join(cwd, 'run', 'config.yaml'), 'utf8');
    if (!config.includes(`\nseed: ${seeds[winners[0]!]}\n`))
      return tale(`config.yaml is the other's: ${config}`);
    const left = leftovers(join(cwd, 'run'));
    if (left.length > 0) return tale(`left behind: ${left.join(', ')}`);
    rmSync(cwd, { recursive: true, force: true });
    return undefined;
  });
}

/** What is wrong with the way in which a process was refused. */
function refusal(ended: Ended, pids: readonly number[], own: number): string | undefined {
  if (ended.status === 0) return undefined;
  const ugly = ugliness(ended);
  if (ugly) return ugly;
  if (ended.status !== 2) return `exit code ${ended.status}: ${ended.stderr}`;
  if (/already holds a run/.test(ended.stderr)) return undefined;
  const named = pids.some((pid) => pid !== own && ended.stderr.includes(String(pid)));
  if (!REFUSED.test(ended.stderr) || !named) return `refused without the owner's process: ${ended.stderr}`;
  return undefined;
}
