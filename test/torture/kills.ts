/**
 * Runs that are killed at random moments, also in the midst of a change of their files, and resumed until they end: the
 * same bits as those of a run that nobody disturbed.
 */
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Random } from '../../models/random.js';
import { makeTinyWorld, type TinyWorld } from '../helpers/tinyWorld.js';
import type { Change, Fault, FaultPlan } from './faultyFiles.mjs';
import { cases, type Outcome, type TortureOptions } from './kit.js';
import { type Ended, start, ugliness } from './process.js';
import {
  argumentsOf,
  difference,
  leftovers,
  results,
  resumeArguments,
  VARIANTS,
  type Variant,
} from './runs.js';

const MOST_KILLS = 3;
const KILLS: readonly Fault[] = ['kill-before', 'kill-half', 'kill-after'];

/** What the uninterrupted run of a variant was like. */
interface Whole {
  readonly results: Map<string, string>;
  readonly seconds: number;
  /** Seconds until its first checkpoint. */
  readonly begins: number;
  readonly changes: number;
}

export async function kills(folder: string, options: TortureOptions): Promise<Outcome> {
  const world = await makeTinyWorld(folder);
  const teacher = join(folder, 'whole-teacher', 'run');
  const known = new Map<string, Whole>();
  const wholeOf = async (variant: Variant): Promise<Whole> => {
    const there = known.get(variant.name);
    if (there) return there;
    const whole = await undisturbed(world, variant, join(folder, `whole-${variant.name}`), teacher);
    known.set(variant.name, whole);
    return whole;
  };
  await wholeOf(VARIANTS[0]!);
  let killed = 0;
  const outcome = await cases(options, async (seed) => {
    const random = Random.of(seed, 'kills');
    const variant = VARIANTS[seed % VARIANTS.length]!;
    const whole = await wholeOf(variant);
    const cwd = join(folder, `seed-${seed}`);
    mkdirSync(cwd, { recursive: true });
    const args = [
      ...argumentsOf(world, variant, teacher),
      // So often that most runs are stopped within an epoch that has been kept in part.
      ...(random.below(2) === 0 ? FREQUENT : []),
    ];
    const story: string[] = [variant.name];
    let ended: Ended | undefined;
    for (let attempt = 0; attempt < 1 + random.below(MOST_KILLS); attempt++) {
      const given = attempt === 0 ? args : resumeArguments(args, variant, cwd, random.below(2) === 0);
      ended = await disturbed(given, cwd, whole, random, story);
      if (!ended.killed) break;
      killed++;
    }
    if (ended!.killed) ended = await start(resumeArguments(args, variant, cwd, false), cwd).ended;
    const tale = (what: string) => `${what} (${story.join('; ')})`;
    const ugly = ugliness(ended!);
    if (ugly) return tale(ugly);
    if (ended!.status !== 0) return tale(`exit code ${ended!.status}: ${ended!.stderr.slice(-600)}`);
    const other = difference(results(join(cwd, 'run')), whole.results);
    if (other) return tale(other);
    const left = leftovers(join(cwd, 'run'));
    if (left.length > 0) return tale(`left behind: ${left.join(', ')}`);
    rmSync(cwd, { recursive: true, force: true });
    return undefined;
  });
  return { ...outcome, remark: `${killed} kills` };
}

const FREQUENT = ['--checkpoint-minutes', '0.0005'];

async function undisturbed(world: TinyWorld, variant: Variant, cwd: string, teacher: string): Promise<Whole> {
  mkdirSync(cwd, { recursive: true });
  const log = join(cwd, 'changes.jsonl');
  const plan: FaultPlan = { folder: join(cwd, 'run'), fault: 'none', log };
  const ended = await start(argumentsOf(world, variant, teacher), cwd, plan).ended;
  if (ended.status !== 0) throw new Error(`${variant.name} ended with ${ended.status}: ${ended.stderr}`);
  const changes = readFileSync(log, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Change & { readonly ms: number });
  return {
    results: results(join(cwd, 'run')),
    seconds: ended.seconds,
    begins: changes.find(({ path }) => path.includes('checkpoints'))!.ms / 1000,
    changes: changes.length,
  };
}

/** Starts a command that is killed at some moment, if it has not ended before. */
async function disturbed(
  args: readonly string[],
  cwd: string,
  whole: Whole,
  random: Random,
  story: string[],
): Promise<Ended> {
  const way = random.below(4);
  if (way < 2) {
    const fault = KILLS[random.below(KILLS.length)]!;
    const at = random.below(whole.changes);
    story.push(`${fault} at change ${at}`);
    return start(args, cwd, { folder: join(cwd, 'run'), fault, at }).ended;
  }
  const process = start(args, cwd);
  // Starting takes most of such a short run, so every second kill waits until it is over.
  const from = way === 2 ? 0 : whole.begins * 1000;
  const moment = from + random.random() * (whole.seconds * 1000 - from);
  story.push(`killed after ${moment.toFixed(0)} ms`);
  const timer = setTimeout(() => process.kill(), moment);
  const ended = await process.ended;
  clearTimeout(timer);
  return ended;
}
