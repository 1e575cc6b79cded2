/** Runs of every kind on the tiny world, and what of them must be the same however they came about. */
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TinyWorld } from '../helpers/tinyWorld.js';
import { type Ended, start } from './process.js';

export interface Variant {
  readonly name: string;
  readonly command: 'teacher' | 'distill' | 'reproduce';
  readonly flags: readonly string[];
}

const common = ['--vision-depth', '1', '--batch', '2'];
const teacher = [...common, '--shots', '4', '--text-depth', '1', '--epochs', '5'];
const student = [...common, '--epochs', '4'];

/** Between them they have everything that a later step may depend on. */
export const VARIANTS: readonly Variant[] = [
  { name: 'teacher', command: 'teacher', flags: teacher },
  { name: 'student', command: 'distill', flags: student },
  { name: 'reproduce', command: 'reproduce', flags: ['--shots', '4', ...common, '--epochs', '3'] },
  {
    name: 'teacher with views',
    command: 'teacher',
    flags: [...teacher, '--views', '2', '--accumulate', '2'],
  },
  {
    name: 'student that keeps its best epoch',
    command: 'distill',
    flags: [...student, '--select', 'val', '--accumulate', '2'],
  },
  {
    name: 'coop teacher',
    command: 'teacher',
    flags: ['--method', 'coop', ...teacher.slice(2, -4), '--epochs', '5'],
  },
  {
    name: 'student with a teacher cache',
    command: 'distill',
    flags: [...student, '--teacher-cache', 'cache', '--views', '2'],
  },
  {
    name: 'student whose tower is trained',
    command: 'distill',
    flags: [...student, '--train', 'all', '--learning-rate', '1e-4'],
  },
];

/** The arguments of a run of the variant in the folder `run`, with the teacher run `teacher` where it needs one. */
export function argumentsOf(world: TinyWorld, { command, flags }: Variant, teacher: string): string[] {
  const { teacherClip, studentClip, data, root } = world;
  if (command === 'teacher')
    return ['teacher', '--clip', teacherClip, '--data', data, ...flags, '--out', 'run'];
  if (command === 'distill')
    return ['distill', '--teacher', teacher, '--clip', studentClip, '--data', data, ...flags, '--out', 'run'];
  const clips = ['--teacher-clip', teacherClip, '--student-clip', studentClip];
  return [
    'reproduce',
    '--dataset',
    'eurosat',
    '--seed',
    '1',
    '2',
    '--data',
    root,
    ...clips,
    ...flags,
    '--out',
    'run',
  ];
}

/** The same for a run that is there, which needs no more than its folder. */
export function resumeArguments(
  args: readonly string[],
  { command }: Variant,
  cwd: string,
  short: boolean,
): string[] {
  if (command === 'reproduce') return [...args];
  if (short && existsSync(join(cwd, 'run', 'config.yaml'))) return [command, '--resume', '--out', 'run'];
  return [...args, '--resume'];
}

const COMPARED =
  /^(metrics\.jsonl|teacher\.safetensors|student\.safetensors|class-vectors\.safetensors|evaluation\.json|results\.json)$/;

/** What a run has come to: the files that depend on settings, data and adapter alone, by their paths in it. */
export function results(run: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const entry of readdirSync(run, { recursive: true, withFileTypes: true }))
    if (entry.isFile() && COMPARED.test(entry.name)) {
      const path = join(entry.parentPath, entry.name);
      found.set(path.slice(run.length + 1), readFileSync(path).toString('hex'));
    }
  return found;
}

/** Which results differ from those of the uninterrupted run; undefined for none. */
export function difference(found: Map<string, string>, whole: Map<string, string>): string | undefined {
  const names = [...new Set([...found.keys(), ...whole.keys()])];
  const other = names.filter((name) => found.get(name) !== whole.get(name));
  if (other.length === 0) return undefined;
  return `other bits in ${other.map((name) => `${name}${found.has(name) ? '' : ' (missing)'}`).join(', ')}`;
}

/** Files that a run which has ended must not leave. */
export const leftovers = (run: string): string[] =>
  (readdirSync(run, { recursive: true }) as string[]).filter((name) => /\.tmp$|lock$|\.pid$/.test(name));

/** Runs a variant to its end in a new folder. */
export async function runWhole(
  world: TinyWorld,
  variant: Variant,
  cwd: string,
  teacher: string,
): Promise<Ended> {
  mkdirSync(cwd, { recursive: true });
  const ended = await start(argumentsOf(world, variant, teacher), cwd).ended;
  if (ended.status !== 0) throw new Error(`${variant.name} ended with ${ended.status}: ${ended.stderr}`);
  return ended;
}
