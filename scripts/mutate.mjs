/**
 * `npm run mutate [-- FILE…]`: Stryker changes one thing at a time in each source file and runs the tests of that file
 * (scripts/mutation/targets.mjs). What no test notices is printed. Reports go to reports/mutation/; docs/mutation.md has the
 * results. It takes about a second for each mutant, and runs on the adapter that `PROMPTKD_ADAPTER` names, lavapipe unless given.
 */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Stryker } from '@stryker-mutator/core';
import { TARGETS, testsOf } from './mutation/targets.mjs';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));
process.env.PROMPTKD_ADAPTER ??= 'lavapipe';
execFileSync(process.execPath, ['scripts/embed-shaders.mjs']);

const named = process.argv.slice(2);
const COLUMNS = ['Killed', 'Timeout', 'Survived', 'NoCoverage', 'RuntimeError', 'Ignored'];
const rows = [];
for (const source of named.length > 0 ? named : Object.keys(TARGETS)) {
  const tests = testsOf(source);
  if (tests.length === 0) throw new Error(`${source} has no tests: see scripts/mutation/targets.mjs`);
  const mutants = await mutate(source, tests);
  for (const { status, location, mutatorName, replacement } of mutants)
    if (status !== 'Killed' && status !== 'Timeout' && status !== 'Ignored')
      console.log(
        `${status} ${source}:${location.start.line}:${location.start.column} ${mutatorName}: ${oneLine(replacement)}`,
      );
  rows.push(rowOf(source, mutants));
}
if (rows.length > 1) rows.push(totalOf(rows));
console.table(Object.fromEntries(rows.map(({ source, ...row }) => [source, row])));

/** Runs every mutant of one file. */
function mutate(source, tests) {
  process.env.MUTATION_TESTS = tests.join(',');
  const report = `reports/mutation/${source.replaceAll('/', '.').replace(/\.ts$/, '')}`;
  return new Stryker({
    mutate: [source],
    testRunner: 'vitest',
    plugins: [
      '@stryker-mutator/vitest-runner',
      fileURLToPath(new URL('mutation/ignored.mjs', import.meta.url)),
    ],
    ignorers: ['ignored'],
    vitest: { configFile: 'scripts/mutation/vitest.config.mjs', related: false },
    coverageAnalysis: 'perTest',
    concurrency: Number(process.env.MUTATION_WORKERS ?? 2),
    // A mutant may loop forever, or wait for a device that it has lost.
    timeoutMS: 20_000,
    ignorePatterns: ['dist', 'bench/gpu/kit', 'docs', 'reports', 'runs'],
    reporters: ['json', 'html', process.stdout.isTTY ? 'progress' : 'progress-append-only'],
    jsonReporter: { fileName: `${report}.json` },
    htmlReporter: { fileName: `${report}.html` },
    // TypeScript 7 has no API for Stryker to read it with, and vitest does not need it.
    tsconfigFile: 'none',
    logLevel: 'warn',
  }).runMutationTest();
}

function rowOf(source, mutants) {
  const count = (status) => mutants.filter((mutant) => mutant.status === status).length;
  const counts = Object.fromEntries(COLUMNS.map((status) => [status, count(status)]));
  return { source, Mutants: mutants.length - counts.Ignored, ...counts, ...scoreOf(counts) };
}

function totalOf(parts) {
  const sum = (column) => parts.reduce((total, row) => total + row[column], 0);
  const counts = Object.fromEntries(COLUMNS.map((column) => [column, sum(column)]));
  return { source: 'all', Mutants: sum('Mutants'), ...counts, ...scoreOf(counts) };
}

function scoreOf({ Killed, Timeout, Survived, NoCoverage }) {
  const found = Killed + Timeout;
  return { Score: `${((100 * found) / (found + Survived + NoCoverage)).toFixed(1)} %` };
}

function oneLine(text) {
  const flat = (text ?? '').replace(/\s+/g, ' ');
  return flat.length > 100 ? `${flat.slice(0, 100)} …` : flat;
}
