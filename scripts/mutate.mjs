/**
 * `npm run mutate [-- FILE…]`: Stryker changes one thing at a time in each source file and runs the tests of that file
 * (scripts/mutation/targets.mjs). It prints what no test noticed, and a table of all files that have a report.
 *
 *     npm run mutate                              every file of targets.mjs
 *     npm run mutate -- engine/train/optim.ts     one file
 *     npm run mutate -- --force                   every change again, also what the last run has noticed
 *     npm run mutate -- --table                   the table of the reports that are there
 *
 * Reports go to reports/mutation/. A mutant takes about a second of processor time, one of a run's recipe five, and all of them an hour
 * and a half. The tests run on the adapter that `PROMPTKD_ADAPTER` names, lavapipe unless given; it must be one that a process of Node
 * can open by itself.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Stryker } from '@stryker-mutator/core';
import { TARGETS, testsOf } from './mutation/targets.mjs';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));
process.env.PROMPTKD_ADAPTER ??= 'lavapipe';

const args = process.argv.slice(2);
const all = Object.keys(TARGETS);
const named = args.filter((arg) => !arg.startsWith('--'));
if (!args.includes('--table')) {
  execFileSync(process.execPath, ['scripts/embed-shaders.mjs']);
  for (const source of named.length > 0 ? named : all) await mutate(source);
}
const table = tableOf(
  [...new Set([...all, ...named])].filter((source) => existsSync(reportOf(source, 'json'))),
);
console.log(table);
writeFileSync('reports/mutation/table.md', table);

/** Runs every mutant of one file. */
async function mutate(source) {
  const tests = testsOf(source);
  if (tests.length === 0) throw new Error(`${source} has no tests: see scripts/mutation/targets.mjs`);
  process.env.MUTATION_TESTS = tests.join(',');
  await new Stryker({
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
    // A mutant may loop forever, or wait for a device that it has lost. Shorter, a busy machine would pass for that.
    timeoutMS: 90_000,
    dryRunTimeoutMinutes: 20,
    // From the root: models/runs must be copied.
    ignorePatterns: ['/dist', '/bench/gpu/kit', '/docs', '/reports', '/runs'],
    reporters: ['json', 'html', process.stdout.isTTY ? 'progress' : 'progress-append-only'],
    jsonReporter: { fileName: reportOf(source, 'json') },
    htmlReporter: { fileName: reportOf(source, 'html') },
    // What a test has killed is not run again while the test and the changed line stay as they are.
    incremental: true,
    incrementalFile: reportOf(source, 'incremental.json'),
    force: args.includes('--force'),
    // TypeScript 7 has no API for Stryker to read it with, and vitest does not need it.
    tsconfigFile: 'none',
    logLevel: 'warn',
  }).runMutationTest();
  // Stryker says nothing of a test file that does not load in its copy of the tree.
  const loaded = Object.keys(readReport(source).testFiles);
  const absent = tests.filter((file) => !loaded.includes(file));
  if (absent.length > 0) throw new Error(`${source}: no test of ${absent.join(', ')} was run`);
  for (const { status, location, mutatorName, replacement } of mutantsOf(source))
    if (!['Killed', 'Timeout', 'Ignored'].includes(status))
      console.log(`${source}:${location.start.line} ${status} ${mutatorName}: ${oneLine(replacement)}`);
}

function reportOf(source, extension) {
  return `reports/mutation/${source.replaceAll('/', '.').replace(/\.ts$/, '')}.${extension}`;
}

function readReport(source) {
  return JSON.parse(readFileSync(reportOf(source, 'json'), 'utf8'));
}

function mutantsOf(source) {
  return Object.values(readReport(source).files)[0].mutants;
}

/** In Markdown, with a line for the sum. Mutants that are ignored do not count. */
function tableOf(sources) {
  const counts = sources.map((source) => {
    const mutants = mutantsOf(source);
    const count = (...statuses) => mutants.filter(({ status }) => statuses.includes(status)).length;
    const date = statSync(reportOf(source, 'json')).mtime.toISOString().slice(0, 10);
    return {
      killed: count('Killed'),
      timeout: count('Timeout'),
      survived: count('Survived', 'NoCoverage'),
      date,
    };
  });
  const sum = (name) => counts.reduce((total, row) => total + row[name], 0);
  const line = (file, { killed, timeout, survived, date }) => {
    const found = killed + timeout;
    const score = found + survived === 0 ? '' : `${((100 * found) / (found + survived)).toFixed(1)} %`;
    return `| ${[file, found + survived, killed, timeout, survived, score, date].join(' | ')} |`;
  };
  const total = { killed: sum('killed'), timeout: sum('timeout'), survived: sum('survived'), date: '' };
  return [
    '| file | mutants | killed | timed out | survived | score | measured |',
    '| --- | ---: | ---: | ---: | ---: | ---: | --- |',
    ...sources.map((source, i) => line(`\`${source}\``, counts[i])),
    line('all of these', total),
    '',
  ].join('\n');
}

function oneLine(text) {
  const flat = (text ?? '').replace(/\s+/g, ' ');
  return flat.length > 100 ? `${flat.slice(0, 100)} …` : flat;
}
