/**
 * `npm run torture [-- TEST... --count N --seed S --json FILE]`: many cases of each failure that runs, files and devices must
 * survive. Ends with a table, and with exit code 1 if a case failed. `npm test` runs a short form of each.
 */
import { execSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));

/** `count`: cases of the full form. `files`: the test files, if not one of the same name; each runs `count` rounds, `together` in one row. */
const TESTS = [
  {
    name: 'kills',
    count: 100,
    reach: 'both stages and reproduce, killed repeatedly and resumed: the same bits',
  },
  { name: 'device', count: 30, reach: 'the device destroyed at a random step: the same bits' },
  { name: 'writes', count: 10_000, reach: 'every write of a run fails in each way: readable, and resumed' },
  {
    name: 'flips',
    count: 1000,
    reach: 'one flipped bit in every kind of written file: noticed, or no effect',
  },
  { name: 'nan', count: 200, reach: 'NaN and Inf in weights, prompts, vectors and checkpoints: named' },
  {
    name: 'mutants',
    count: 10_000,
    reach: 'damaged inputs of every kind: a message or a right answer',
    files: [
      'test/properties/checkpoints.test.ts',
      'test/properties/files.test.ts',
      'test/torture/imageMutants.test.ts',
    ],
  },
  { name: 'images', count: 500, reach: 'broken images among good ones: skipped and named, the others used' },
  {
    name: 'long',
    count: 5000,
    reach: 'memory, device memory and handles as they were at step 500',
    // glibc returns free memory and V8 does not grow its young generation, so that a process only holds what it needs.
    env: {
      MALLOC_ARENA_MAX: '1',
      MALLOC_TRIM_THRESHOLD_: '65536',
      MALLOC_MMAP_THRESHOLD_: '65536',
      NODE_OPTIONS: '--max-semi-space-size=1',
    },
  },
  {
    name: 'hub',
    count: 1,
    reach: 'pull from a lying server: refused, nothing written elsewhere',
    files: ['test/cli/lyingHub.test.ts'],
    together: true,
  },
  { name: 'locks', count: 20, reach: 'two processes in one folder: one runs, the other is told which' },
]
  .map((test) => ({
    ...test,
    files: (test.files ?? [`test/torture/${test.name}.test.ts`]).filter((file) => existsSync(file)),
  }))
  .filter(({ files }) => files.length > 0);

const program = new Command('torture')
  .argument('[test...]', 'tests to run (default: all)')
  .option('--count <n>', 'cases of each test (default: see below)', parsePositive)
  .option('--seed <n>', 'seed of the first case; a failure names its own', parsePositive, 1)
  .option('--json <file>', 'also write the outcomes as JSON')
  .addHelpText(
    'after',
    `\nTests:\n${TESTS.map(({ name, count, reach }) => `  ${name.padEnd(8)} ${String(count).padStart(6)}  ${reach}`).join('\n')}`,
  )
  .parse();
const { count, seed, json } = program.opts();
for (const name of program.args)
  if (!TESTS.some((test) => test.name === name)) program.error(`there is no test ${name}, see --help`);
const chosen = TESTS.filter(({ name }) => program.args.length === 0 || program.args.includes(name));

execSync('npm run build --silent', { stdio: 'inherit' });
// The adapter must be in the environment before the processes start.
const { adapterEnvironment } = await import('../dist/cli/platform/relaunch.js');
const { formatTable } = await import('../dist/cli/terminal/table.js');
const added = await adapterEnvironment(process.env.PROMPTKD_ADAPTER);

const folder = mkdtempSync(join(tmpdir(), 'promptkd-torture-'));
const outcomes = chosen.map((test) => {
  const report = join(folder, `${test.name}.jsonl`);
  const results = join(folder, `${test.name}.json`);
  const rounds = String(count ?? test.count);
  const started = performance.now();
  const { status } = spawnSync(
    process.execPath,
    [
      ...['node_modules/vitest/vitest.mjs', 'run', ...test.files],
      ...['--reporter=default', '--reporter=json', `--outputFile.json=${results}`],
    ],
    {
      stdio: 'inherit',
      env: {
        ...process.env,
        ...added,
        ...test.env,
        TORTURE_COUNT: rounds,
        TORTURE_SEED: String(seed),
        TORTURE_REPORT: report,
        FUZZ_ROUNDS: rounds,
        FUZZ_SEED: String(seed),
      },
    },
  );
  const seconds = (performance.now() - started) / 1000;
  const told = existsSync(report)
    ? readFileSync(report, 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line))
    : [];
  const others = testsOf(results)
    .filter(({ title }) => !told.some(({ name }) => title === name))
    .map((one) => outcomeOf(one, Number(rounds)));
  const parts = [...told, ...(test.together ? [sumOf(test.name, others)] : others)];
  // A test that ends without an outcome has failed.
  if (parts.length === 0)
    parts.push({ name: test.name, tried: 0, passed: 0, failures: ['it ended without an outcome'] });
  return { ...test, seconds, parts, missed: status !== 0 };
});
rmSync(folder, { recursive: true, force: true });

const rows = outcomes.flatMap(({ seconds, parts }) =>
  parts.map(({ name, tried, passed, remark = '' }, i) => [
    name,
    String(tried),
    String(passed),
    i === 0 ? seconds.toFixed(0) : '',
    remark,
  ]),
);
for (const { name, failures } of outcomes.flatMap(({ parts }) => parts))
  for (const failure of failures.slice(0, 20)) console.log(`failed: ${name}, ${failure}`);
console.log(`\n${formatTable(['test', 'tried', 'passed', 'seconds', ''], rows)}`);
if (json !== undefined) writeFileSync(json, `${JSON.stringify(outcomes, null, 2)}\n`);
process.exit(outcomes.some(({ missed }) => missed) ? 1 : 0);

function testsOf(results) {
  if (!existsSync(results)) return [];
  return JSON.parse(readFileSync(results, 'utf8')).testResults.flatMap((file) => file.assertionResults);
}

/** The outcome of a test without `TORTURE_REPORT`: it runs its rounds in order and ends with the first failure. */
function outcomeOf({ fullName, status, failureMessages }, rounds) {
  const passed = status === 'passed';
  const name = fullName.replace(/:? \d+ mutations.*$/, '');
  return { name, tried: rounds, passed: passed ? rounds : 0, failures: passed ? [] : failureMessages };
}

function sumOf(name, parts) {
  const sum = (of) => parts.reduce((total, part) => total + of(part), 0);
  return {
    name,
    tried: sum(({ tried }) => tried),
    passed: sum(({ passed }) => passed),
    failures: parts.flatMap((part) => part.failures.map((failure) => `${part.name}: ${failure}`)),
  };
}

function parsePositive(text) {
  if (!/^\d{1,9}$/.test(text) || Number(text) === 0)
    program.error(`${text} is not a whole number, 1 or more`);
  return Number(text);
}
