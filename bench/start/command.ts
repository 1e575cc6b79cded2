/** `bench start`: the time from a command to its first training step, with empty and full caches. */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { emojiClipFolder } from '../../cli/demo/emoji.js';
import { UserError } from '../../engine/errors.js';
import { median } from '../../engine/gpu/measure.js';
import { type Flags as Common, log, withReport } from '../command.js';
import { rootFolder } from '../environment.js';
import { drawPhotos } from '../photos.js';
import { markdownTable } from '../table.js';
import { writeRandomClip } from './models.js';
import type { Found } from './probe.js';

/** Flags of `bench start`. */
export interface Flags extends Common {
  /** Teacher and student (default: those of the demo). */
  readonly models?: readonly string[];
  readonly commands: readonly string[];
  readonly precision: string;
}

/** Starts of one command. */
export interface StartRow {
  readonly command: string;
  readonly models: string;
  readonly precision: string;
  /** State of this program's and the driver's caches: empty, or as the first start left them. */
  readonly caches: 'empty' | 'full';
  /** The mark at which a start ends. */
  readonly until: string;
  /** Median time, measured from before the process is created. */
  readonly seconds: number;
  /** Work of the main thread without waits (hostTime.ts). A busy machine increases it. */
  readonly hostMilliseconds: number;
  /** CPU time of the main thread including Dawn's polls; independent of other load; 0 if unknown. */
  readonly processorMilliseconds: number;
  readonly pipelines: number;
  /** Milliseconds since the process started, at each mark. */
  readonly marks: Readonly<Record<string, number>>;
  readonly starts: number;
}

interface Case {
  readonly command: string;
  readonly models: string;
  readonly until: string;
  readonly args: (out: string) => readonly string[];
}

const CLASSES = 4;
const EACH = 8;
const GOLDENS = join(rootFolder(), '..', 'shared', 'goldens', 'tiny');
const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** Runs `bench start` and returns its report. */
export const runStart = (flags: Flags): Promise<string> =>
  withReport('start', flags, (_, keep) => measureStarts(flags, keep), renderStarts);

/** Formats the rows as a table. */
export function renderStarts(rows: readonly StartRow[]): string {
  const seconds = (ms: number | undefined) => (ms === undefined ? '' : (ms / 1000).toFixed(2));
  return markdownTable({
    head: [
      ...['command', 'models', 'precision', 'caches', 'until'],
      ...['s', 'adapter at', 'weights at', 'compiled at', 'host ms', 'processor ms', 'pipelines', 'starts'],
    ],
    text: 5,
    rows: rows.map(({ command, models, precision, caches, until, marks, ...row }) => [
      ...[command, models, precision, caches, until],
      row.seconds.toFixed(2),
      ...[seconds(marks.adapter), seconds(marks.weights), seconds(marks.compiled)],
      row.hostMilliseconds.toFixed(0),
      row.processorMilliseconds.toFixed(0),
      String(row.pipelines),
      String(row.starts),
    ]),
  });
}

/** @param keep is called with the rows so far after each start, as each takes long with large models */
async function measureStarts(
  { models, commands: given, precision, repeats, quick }: Flags,
  keep: (rows: readonly StartRow[]) => void,
): Promise<StartRow[]> {
  const folder = mkdtempSync(join(tmpdir(), 'promptkd-start-'));
  try {
    const commands = quick ? ['distill'] : given;
    // With an empty cache, a software adapter takes minutes to the first step.
    const cases = await prepare(folder, models, precision, quick ? 'weights' : 'first step done');
    const unknown = commands.find((name) => !cases.some(({ command }) => command === name));
    if (unknown !== undefined)
      throw new UserError(
        `the start of ${unknown} cannot be measured`,
        `choose among ${cases.map(({ command }) => command).join(', ')}`,
      );
    const rows: StartRow[] = [];
    for (const one of cases.filter(({ command }) => commands.includes(command))) {
      const found: Record<StartRow['caches'], (Found & { seconds: number })[]> = { empty: [], full: [] };
      for (let i = 0; i < repeats; i++) {
        const caches = join(folder, `caches of ${one.command} ${i}`);
        for (const state of ['empty', 'full'] as const) {
          found[state].push(await start(folder, one.args(join(folder, 'run')), one.until, caches));
          log(`${one.command}, caches ${state}: ${found[state].at(-1)!.seconds.toFixed(2)} s`);
          keep([...rows, ...rowsOf(one, precision, found)]);
        }
      }
      rows.push(...rowsOf(one, precision, found));
    }
    return rows;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The row of the starts so far; none if there was no start. */
function rowsOf(
  { command, models, until }: Case,
  precision: string,
  found: Readonly<Record<StartRow['caches'], readonly (Found & { seconds: number })[]>>,
): StartRow[] {
  return (['empty', 'full'] as const)
    .filter((caches) => found[caches].length > 0)
    .map((caches) => {
      const all = found[caches];
      const of = (value: (one: (typeof all)[number]) => number) => median(all.map(value));
      return {
        ...{ command, models, precision, caches, until },
        seconds: of((f) => f.seconds),
        hostMilliseconds: of((f) => f.hostMilliseconds),
        processorMilliseconds: of((f) => f.processorMilliseconds ?? 0),
        pipelines: of((f) => f.pipelines),
        marks: Object.fromEntries(
          Object.keys(all[0]!.marks).map((name) => [name, of((f) => f.marks[name] ?? 0)]),
        ),
        starts: all.length,
      };
    });
}

/** Prepares images, models and a plain teacher, and the commands that can be started with them. */
async function prepare(
  folder: string,
  models: readonly string[] | undefined,
  precision: string,
  step: string,
): Promise<Case[]> {
  const data = join(folder, 'data');
  for (let i = 0; i < CLASSES; i++) await drawPhotos(join(data, 'train', `class ${i}`), EACH, i * EACH);
  const clip = { teacher: join(emojiClipFolder(), 'teacher'), student: join(emojiClipFolder(), 'student') };
  if (models) {
    const [teacher, student] = models;
    if (!teacher || !student || models.length > 2)
      throw new UserError(
        '--models needs two names',
        'give --models TEACHER,STUDENT, such as ViT-L/14,ViT-B/16',
      );
    for (const [role, model] of [['teacher', teacher] as const, ['student', student] as const]) {
      log(`writing a random ${model}`);
      clip[role] = join(folder, role);
      await writeRandomClip(clip[role], model);
    }
  }
  const [teacher, student] = models ?? ['emoji-teacher', 'emoji-student'];
  const plain = join(folder, 'plain');
  const common = ['--precision', precision];
  const setUp = ['teacher', '--method', 'clip', '--clip', clip.teacher, '--data', data, '--out', plain];
  const code = await run(setUp, process.env).ended;
  if (code !== 0) throw new Error(`promptkd ${setUp.join(' ')} ended with ${code}`);
  return [
    {
      ...{ command: 'demo', models: 'emoji', until: step },
      args: (out) => ['demo', '--out', out, ...common],
    },
    ...(existsSync(GOLDENS)
      ? [{ command: 'verify', models: 'tiny', until: 'end', args: () => ['verify', GOLDENS, ...common] }]
      : []),
    {
      ...{ command: 'teacher', models: teacher!, until: step },
      args: (out) => [
        'teacher',
        '--clip',
        clip.teacher,
        '--data',
        data,
        '--shots',
        '4',
        '--out',
        out,
        ...common,
      ],
    },
    {
      ...{ command: 'distill', models: `${teacher} to ${student}`, until: step },
      args: (out) => [
        ...['distill', '--teacher', plain, '--clip', clip.student, '--data', data],
        ...['--out', out, ...common],
      ],
    },
  ];
}

/** One start with the caches in `caches`. Removes what it has written before its first step. */
async function start(
  folder: string,
  args: readonly string[],
  until: string,
  caches: string,
): Promise<Found & { seconds: number }> {
  const file = join(folder, 'found.json');
  for (const path of [file, join(folder, 'run')]) rmSync(path, { recursive: true, force: true });
  // Caches of this program, Mesa and NVIDIA's driver, which does not create the folder itself.
  for (const name of ['user', 'mesa', 'nvidia']) mkdirSync(join(caches, name), { recursive: true });
  const began = Date.now();
  const child = run(
    args,
    {
      ...process.env,
      XDG_CACHE_HOME: join(caches, 'user'),
      MESA_SHADER_CACHE_DIR: join(caches, 'mesa'),
      __GL_SHADER_DISK_CACHE_PATH: join(caches, 'nvidia'),
      PROMPTKD_UNTIL: until,
      PROMPTKD_FOUND: file,
    },
    ['--import', here('./probe.js')],
  );
  await child.ended;
  if (!existsSync(file)) throw new Error(`promptkd ${args.join(' ')} ended early\n${child.output()}`);
  const found = JSON.parse(readFileSync(file, 'utf8')) as Found;
  return { ...found, seconds: (found.time - began) / 1000 };
}

/** Runs the command line as users do. */
function run(args: readonly string[], env: NodeJS.ProcessEnv, node: readonly string[] = []) {
  const child = spawn(process.execPath, [...node, here('../../cli/main.js'), ...args], {
    env,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let text = '';
  child.stderr.setEncoding('utf8').on('data', (more: string) => {
    text += more;
  });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  return { ended, output: () => text };
}
