/**
 * `npm run matrix [-- ROW[/COLUMN]...]`: the list of all checks (scripts/matrix/rows.mjs) on every adapter that needs no GPU, or those
 * rows and cells of it alone. `.ci/run` is the whole list. Ends with a table of counts and seconds, and their sum.
 *
 *   --list    the rows and columns, and what runs where
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { COLUMNS, PREPARATION, ROWS } from './matrix/rows.mjs';
import { countsIn, resultTable, whatRunsWhere } from './matrix/tables.mjs';
import { summary } from './summary.mjs';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));
const args = process.argv.slice(2);
const results = [];

async function main() {
  for (const arg of args) if (cellsOf([arg]).length === 0) stop(`there is no ${arg}; see --list`);
  const machine = args.length === 0 ? await prepare() : await build();
  // What is built once need not be built by each command, nor while another one runs.
  process.env.PROMPTKD_BUILT = '1';
  for (const some of together(cellsOf(args))) {
    const next = some.values();
    const lane = async () => {
      for (const each of next) await check(each, machine, some.length === 1);
    };
    await Promise.all([lane(), lane()]);
  }
  finish();
}

/** The cells in their order, those in a row that leave a core idle together: two of them run at a time. */
function together(cells) {
  const groups = [];
  for (const one of cells) {
    const last = groups.at(-1);
    if (last && one.cell.oneCore && last[0].cell.oneCore) last.push(one);
    else groups.push([one]);
  }
  return groups;
}

async function check({ row, column, cell }, machine, live) {
  const missing = needsOf(cell).flatMap((need) => (machine[need] ? [] : [MISSING[need]]))[0];
  if (missing) {
    console.log(`${cell.step}: skipped, as ${missing}`);
    results.push({ row: row.id, column, passed: 0, failed: 0, skipped: 1, seconds: 0 });
  } else await step(row.id, column, cell, cell.command(machine), cell.env?.(machine), live);
}

/** What a cell needs of the machine. */
const needsOf = ({ needs = [] }) => [needs].flat();

const MISSING = {
  lavapipe: 'lavapipe cannot be installed here',
  mesa26: 'Mesa 26 cannot be unpacked here',
  goldens: '../shared/goldens is not here',
};

/** The cells that have a command, of some rows (`engine`) and cells (`engine/deno`), or of all. */
function cellsOf(names) {
  return ROWS.flatMap((row) =>
    Object.keys(COLUMNS).flatMap((column) => {
      const wanted = names.length === 0 || names.includes(row.id) || names.includes(`${row.id}/${column}`);
      return wanted
        ? [row.cells[column]].flat().flatMap((cell) => (cell.command ? { row, column, cell } : []))
        : [];
    }),
  );
}

/** Installs, builds and checks the sources; what the machine has. */
async function prepare() {
  const [install, ...checks] = PREPARATION;
  const prepared = (one) => step('preparation', 'all', one, one.command);
  if ((await prepared(install)).failed > 0) finish();
  // Drivers are downloaded meanwhile.
  const found = findDrivers();
  for (const one of checks) await prepared(one);
  return found;
}

async function build() {
  if ((await run(['npm', 'run', 'build', '--silent'])).status !== 0) stop('the build failed');
  return findDrivers();
}

/** What the machine has, drivers installed as far as they can be. */
async function findDrivers() {
  const works = async (script, ...rest) => (await run([`scripts/${script}`, ...rest])).status === 0;
  return {
    lavapipe: await works('install-lavapipe.sh'),
    mesa26: await works('mesa-matrix.sh', 'true'),
    goldens: existsSync('../shared/goldens'),
  };
}

/** Runs a command, with its output shown at once or (`live` is false) in one piece; what it printed and how it ended. */
function run([file, ...rest], env = {}, live = true) {
  const child = spawn(file, rest, { env: { ...process.env, ...env }, stdio: ['inherit', 'pipe', 'pipe'] });
  let text = '';
  for (const stream of ['stdout', 'stderr'])
    child[stream].on('data', (data) => {
      if (live) process[stream].write(data);
      text += data;
    });
  return new Promise((resolve) => {
    child.once('error', (error) => {
      console.error(error.message);
      resolve({ status: 127, text });
    });
    child.once('close', (status, signal) => resolve({ status: status ?? `of ${signal}`, text }));
  });
}

async function step(row, column, { step: name }, command, env, live = true) {
  console.log(`== ${name}${live ? '' : ': begins'}`);
  const started = performance.now();
  const { status, text } = await run(command, env, live);
  const seconds = Math.round((performance.now() - started) / 1000);
  const result = { row, column, ...countsIn(text, status), seconds };
  results.push(result);
  if (!live) console.log(`== ${name}\n${text.trimEnd()}`);
  console.log(`== ${name}: exit code ${status}, ${seconds} s`);
  return result;
}

function finish() {
  const sum = { passed: 0, failed: 0, skipped: 0 };
  for (const result of results) for (const key of Object.keys(sum)) sum[key] += result[key];
  console.log(`\n${resultTable(results, COLUMNS)}\n`);
  console.log(summary(sum));
  process.exit(sum.failed === 0 && sum.passed > 0 ? 0 : 1);
}

function stop(message) {
  console.error(`error: ${message}`);
  process.exit(2);
}

if (args.includes('--list')) {
  for (const { id, title } of ROWS) console.log(`${id}: ${title}`);
  console.log(`columns: ${Object.keys(COLUMNS).join(', ')}\n\n${whatRunsWhere(ROWS, COLUMNS)}`);
} else await main();
