/**
 * `npm run test:deno [-- PART...]`: what runs under Deno, in parts; all of them by default.
 *
 *   commands    both stages, evaluation and prediction on SwiftShader, beside the same in Node; `doctor` and `predict` on lavapipe
 *   numbers     the public training case on lavapipe
 *   engine      the engine's tests, without subgroups, which Deno lacks
 *
 * lavapipe is that of Mesa 26 behind `scripts/mesa-matrix.sh`, else the one that is installed. The engine's tests run on lavapipe behind
 * that script alone and on SwiftShader otherwise: Debian's lavapipe compiles kernels with barriers for minutes.
 *
 * With `--compare FOLDER` instead: how long `verify FOLDER` takes on lavapipe under Deno and in Node, with kernels of the same level and
 * a cache folder of each, twice with an empty and with a full cache, in turns.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { emojiClipFolder, makeEmojiData } from '../dist/cli/demo/emoji.js';
import { adapterEnvironment } from '../dist/cli/platform/relaunch.js';
import { findDeno } from './deno/find.mjs';
import { summary } from './summary.mjs';
import { runVitest } from './vitest.mjs';

const counts = { passed: 0, failed: 0, skipped: 0 };
const deno = findDeno();
const main = resolve('dist/cli/main.js');
const LAVAPIPE = '/usr/share/vulkan/icd.d';
const TOLERANCE = 1e-3;
const ADD_OPERATION = 'test/engine/addOperation.test.ts';
/** Of the ways in which a test runs an operation (test/helpers/check.ts), those that Deno has. */
const WITHOUT_SUBGROUPS = '^(?!.*with subgroups)';
const root = mkdtempSync(join(tmpdir(), 'promptkd-deno-'));
const data = join(root, 'data');
const [teacherClip, studentClip] = ['teacher', 'student'].map((name) => join(emojiClipFolder(), name));

function check(what, fault, seconds) {
  counts[fault ? 'failed' : 'passed']++;
  const took = seconds === undefined ? '' : ` (${seconds.toFixed(1)} s)`;
  console.log(`${fault ? 'FAILED' : 'ok'}: ${what}${took}${fault ? `\n${fault}` : ''}`);
}

function skip(what, reason) {
  counts.skipped++;
  console.log(`skipped: ${what}: ${reason}`);
}

/** Runs a command of promptkd; its output, the seconds, and what was wrong. */
function command(runtime, args, environment) {
  const started = performance.now();
  const [file, ...first] = runtime === 'deno' ? [...deno, 'run', '-A'] : [process.execPath];
  const { status, stdout, stderr, signal } = spawnSync(file, [...first, main, ...args], {
    encoding: 'utf8',
    env: { ...process.env, DENO_NO_UPDATE_CHECK: '1', ...environment },
    timeout: 600_000,
    maxBuffer: 2 ** 26,
  });
  const seconds = (performance.now() - started) / 1000;
  const fault = status === 0 ? undefined : `${signal ?? `exit code ${status}`}\n${stdout}\n${stderr}`;
  return { stdout, seconds, fault };
}

/** Both stages, evaluation and prediction; the numbers that the two runtimes must agree on. */
function everyCommand(runtime, environment) {
  const runs = join(root, runtime);
  const [teacher, student] = [join(runs, 'teacher'), join(runs, 'student')];
  const short = ['--data', data, '--epochs', '1', '--batch', '4', '--level', 'portable'];
  const predicted = [student, join(data, 'test'), '--json', '--level', 'portable'];
  const commands = {
    teacher: ['--clip', teacherClip, '--shots', '2', ...short, '--out', teacher],
    distill: ['--teacher', teacher, '--clip', studentClip, ...short, '--out', student],
    eval: [student, '--data', data, '--json', '--level', 'portable'],
    predict: predicted,
  };
  const numbers = {};
  for (const [name, args] of Object.entries(commands)) {
    const { stdout, seconds, fault } = command(runtime, [name, ...args], environment);
    check(`${name} in ${runtime}`, fault, seconds);
    if (fault) return undefined;
    const folder = { teacher, distill: student }[name];
    numbers[name] = folder ? losses(join(folder, 'metrics.jsonl')) : numbersIn(JSON.parse(stdout));
  }
  return numbers;
}

const losses = (file) =>
  readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .flatMap((line) => numbersIn(JSON.parse(line)));

/** Every number in a JSON value, with its path; times differ from run to run. */
function numbersIn(value, path = '') {
  if (typeof value === 'number') return /seconds|ms\b|time|rate|speed/i.test(path) ? [] : [[path, value]];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, each]) => numbersIn(each, `${path}.${key}`));
}

function difference(ours, theirs) {
  if (ours.length === 0 || ours.length !== theirs.length)
    return `${ours.length} and ${theirs.length} numbers`;
  for (const [i, [path, value]] of ours.entries()) {
    const [otherPath, other] = theirs[i];
    if (path !== otherPath || Math.abs(value - other) > TOLERANCE * Math.max(1, Math.abs(other)))
      return `${path} is ${value} in Deno and ${otherPath} is ${other} in Node`;
  }
  return undefined;
}

async function drawData() {
  const all = JSON.parse(readFileSync(join(emojiClipFolder(), 'domain.json'), 'utf8'));
  const few = ({ class: name, train, test }) => ({
    class: name,
    train: train.slice(0, 4),
    test: test.slice(0, 2),
  });
  await makeEmojiData(data, { classes: all.slice(0, 4).map(few) });
}

function onSwiftShader() {
  const environment = { PROMPTKD_ADAPTER: 'swiftshader' };
  const doctor = command('deno', ['doctor'], environment);
  check('doctor on SwiftShader', doctor.fault, doctor.seconds);
  const [found, expected] = [everyCommand('deno', environment), everyCommand('node', environment)];
  for (const name of Object.keys((found && expected) ?? {}))
    check(
      `${name}: Deno's ${found[name].length} numbers are Node's`,
      difference(found[name], expected[name]),
    );
}

/** Whether scripts/mesa-matrix.sh has set the environment of Mesa 26's lavapipe. */
const onMesa26 = process.env.PROMPTKD_MESA_26 !== undefined;
/** Compiling takes most of a short test, so without LLVM's optimisation. */
const QUICK_TO_COMPILE = { GALLIVM_PERF: 'nopt' };

/** The environment of lavapipe, or undefined (and a skip) without one. */
function lavapipe(what, more = QUICK_TO_COMPILE) {
  if (onMesa26) return {};
  const driver = existsSync(LAVAPIPE) && readdirSync(LAVAPIPE).find((file) => /^lvp_icd.*\.json$/.test(file));
  if (driver) return { PROMPTKD_ADAPTER: 'lavapipe', VK_DRIVER_FILES: join(LAVAPIPE, driver), ...more };
  skip(what, 'lavapipe is not installed (scripts/install-lavapipe.sh)');
}

function commandsOnLavapipe() {
  const environment = lavapipe('commands on lavapipe');
  if (!environment) return;
  const doctor = command('deno', ['doctor'], environment);
  check('doctor on lavapipe', doctor.fault, doctor.seconds);
  const args = [
    'predict',
    '--clip',
    studentClip,
    '--class',
    'bird',
    'arrow',
    '--json',
    '--level',
    'portable',
  ];
  const [ours, theirs] = ['deno', 'node'].map((runtime) =>
    command(runtime, [...args, '--', join(data, 'test')], environment),
  );
  const fault =
    ours.fault ??
    theirs.fault ??
    difference(numbersIn(JSON.parse(ours.stdout)), numbersIn(JSON.parse(theirs.stdout)));
  check("predict on lavapipe: Deno's numbers are Node's", fault, ours.seconds);
}

const verifying = (folder) => ['verify', folder, '--level', 'portable'];

function numbersOnLavapipe() {
  const environment = lavapipe('reference numbers on lavapipe');
  if (!environment) return;
  const { fault, seconds } = command('deno', verifying('test/goldens/stages'), environment);
  check('the public training case on lavapipe', fault, seconds);
}

async function engine() {
  const environment = onMesa26
    ? {}
    : { PROMPTKD_ADAPTER: 'swiftshader', ...(await adapterEnvironment('swiftshader')) };
  skip(ADD_OPERATION, 'a copy of the project that is built and checked with Node');
  const tests = ['test/engine', '--exclude', ADD_OPERATION, '-t', WITHOUT_SUBGROUPS];
  const env = { ...process.env, ...environment, DENO_NO_UPDATE_CHECK: '1' };
  const found = runVitest([...deno, 'run', '-A'], tests, env);
  for (const key of Object.keys(counts)) counts[key] += found[key];
}

/** Seconds of both runtimes with empty caches and then with full ones, each pair in turns, two of each. */
function compare(folder) {
  const environment = lavapipe('the comparison', {});
  if (!environment) return;
  for (const round of [1, 2]) {
    const caches = Object.fromEntries(
      ['node', 'deno'].map((name) => [name, join(root, `cache-${name}-${round}`)]),
    );
    for (const state of ['empty', 'full']) {
      const [node, ours] = ['node', 'deno'].map((runtime) => {
        const { fault, seconds } = command(runtime, verifying(folder), {
          ...environment,
          MESA_SHADER_CACHE_DIR: caches[runtime],
        });
        check(`verify ${folder} in ${runtime}, ${state} cache`, fault, seconds);
        return seconds;
      });
      console.log(`${state} cache: Deno takes ${(ours / node).toFixed(2)} times as long as Node`);
    }
  }
}

async function commands() {
  await drawData();
  if (process.platform === 'linux' && process.arch === 'x64') onSwiftShader();
  else skip('SwiftShader', 'it comes for Linux x64 only');
  commandsOnLavapipe();
}

const PARTS = {
  commands,
  numbers: numbersOnLavapipe,
  engine,
};
const args = process.argv.slice(2);
const wanted = (part) => args.length === 0 || args.includes(part);
try {
  if (!deno) skip('everything', 'the npm package deno is not installed');
  else if (args[0] === '--compare') compare(args[1] ?? 'test/goldens/stages');
  else for (const [part, run] of Object.entries(PARTS)) if (wanted(part)) await run();
} finally {
  rmSync(root, { recursive: true, force: true });
}
console.log(summary(counts));
process.exitCode = counts.failed > 0 ? 1 : 0;
