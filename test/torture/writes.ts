/**
 * Every change that a run makes to its files fails once, in each way in which it can: the run ends with a message, leaves
 * nothing that cannot be read, and continues to the same bits.
 */
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { nodePlatform } from '../../cli/platform/node.js';
import { UserError } from '../../engine/errors.js';
import { releaseAll } from '../../engine/gpu/memory.js';
import { openSafetensors } from '../../formats/safetensors.js';
import { Random } from '../../models/random.js';
import { testJob } from '../helpers/job.js';
import { makeTinyWorld } from '../helpers/tinyWorld.js';
import { type Change, type Fault, inject } from './faultyFiles.mjs';
import { cases, type Outcome, type TortureOptions } from './kit.js';
import { difference, leftovers, results } from './runs.js';
import { ALWAYS, type TinyRun, tinyRuns } from './tinyRuns.js';

/** How each change can fail. */
const WAYS: Readonly<Record<Change['op'], readonly Fault[]>> = {
  open: ['ENOSPC', 'EACCES'],
  write: ['ENOSPC', 'EIO', 'short'],
  sync: ['EIO'],
  rename: ['EACCES', 'EIO'],
  mkdir: ['ENOSPC', 'EACCES'],
  remove: ['EACCES'],
  truncate: ['EIO'],
};

interface Case {
  readonly run: TinyRun;
  readonly change: Change;
  readonly at: number;
  readonly fault: Fault;
}

export async function writes(folder: string, { count, seed, note }: TortureOptions): Promise<Outcome> {
  const world = await makeTinyWorld(folder);
  const job = await testJob();
  const out = join(folder, 'out');
  const { teacher, student } = tinyRuns(world, join(folder, 'teacher'));
  await teacher('teacher').run(job, join(folder, 'teacher'));
  const runs = [
    teacher('teacher', { epochs: 2 }),
    // The cache lies in the run's folder here, so that its files fail too.
    student('student with a teacher cache', {
      epochs: 2,
      views: 2,
      teacherCache: join(out, '..', 'out.cache'),
    }),
  ];
  const clear = () => {
    for (const path of [out, join(folder, 'out.cache')]) rmSync(path, { recursive: true, force: true });
    releaseAll(job.gpu);
  };
  const options = { checkpointMinutes: ALWAYS };
  const whole = new Map<TinyRun, Map<string, string>>();
  const all: Case[] = [];
  for (const run of runs) {
    clear();
    const injected = inject({ folder: out, fault: 'none' });
    try {
      await run.run(job, out, options);
    } finally {
      injected.restore();
    }
    whole.set(run, results(out));
    for (const [at, change] of injected.changes.entries())
      for (const fault of WAYS[change.op]) all.push({ run, change, at, fault });
  }
  note(`${all.length} ways in which a change can fail`);
  const chosen = count >= all.length ? all : some(all, count, seed);
  const failed = { quietly: 0, loudly: 0 };
  const outcome = await cases({ count: chosen.length, seed: 0, note }, async (number) => {
    const { run, change, at, fault } = chosen[number]!;
    const tale = (what: string) => `${run.name}, ${fault} at ${change.op} ${change.path} (${at}): ${what}`;
    clear();
    const injected = inject({ folder: out, fault, at });
    let error: unknown;
    try {
      await run.run(job, out, options);
    } catch (thrown) {
      error = thrown;
    } finally {
      injected.restore();
    }
    if (!injected.struck()) return tale('it did not come to that');
    failed[error === undefined ? 'quietly' : 'loudly']++;
    if (error !== undefined && !(error instanceof UserError))
      return tale(String((error as Error).stack ?? error));
    const unreadable = await findUnreadable(out);
    if (unreadable) return tale(unreadable);
    disown(out);
    releaseAll(job.gpu);
    try {
      await run.run(job, out, { ...options, resume: true });
    } catch (thrown) {
      return tale(`not resumed: ${(thrown as Error).message} (${readdirSync(out).join(', ')})`);
    }
    const other =
      difference(results(out), whole.get(run)!) ?? leftovers(out).map((name) => `${name} is left`)[0];
    return other && tale(other);
  });
  clear();
  return { ...outcome, remark: `${failed.loudly} ended the run, ${failed.quietly} did not` };
}

/** Some of a list, spread over all of it. */
function some<T>(list: readonly T[], count: number, seed: number): T[] {
  const random = Random.of(seed, 'writes');
  const step = list.length / count;
  return Array.from({ length: count }, (_, i) => list[Math.floor((i + random.random()) * step)]!);
}

/** What of a run cannot be read; undefined where all can. Half-written files beside it are nobody's results. */
async function findUnreadable(out: string): Promise<string | undefined> {
  if (!existsSync(out)) return undefined;
  for (const entry of readdirSync(out, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (!entry.isFile() || /\.tmp$/.test(entry.name)) continue;
    try {
      if (entry.name.endsWith('.safetensors'))
        for (const tensor of (await openSafetensors(nodePlatform, path)).tensors.values())
          await tensor.read();
      if (entry.name.endsWith('.yaml')) parse(readFileSync(path, 'utf8'));
      // A last line that was cut off is no line.
      if (entry.name.endsWith('.jsonl'))
        for (const line of readFileSync(path, 'utf8').split('\n').slice(0, -1)) JSON.parse(line);
    } catch (error) {
      return `${path} cannot be read: ${(error as Error).message}`;
    }
  }
  return undefined;
}

/** A lock that could not be removed is of a process that has ended, in life. */
function disown(out: string): void {
  const lock = join(out, '.lock');
  if (existsSync(lock))
    writeFileSync(
      lock,
      JSON.stringify({ ...JSON.parse(readFileSync(lock, 'utf8') || '{}'), pid: 2 ** 22 + 1 }),
    );
}
