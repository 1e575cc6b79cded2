/** Running vitest, for the scripts that need its counts, and the test files of a folder. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * Runs vitest with its output shown; the counts of passed, failed and skipped tests.
 *
 * @param runtime the command that runs a script: Node's, or Deno's with its flags
 * @param args files and options of vitest
 */
export function runVitest([file, ...first], args, env) {
  const folder = mkdtempSync(join(tmpdir(), 'promptkd-test-'));
  const results = join(folder, 'results.json');
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${results}`];
  const vitest = ['node_modules/vitest/vitest.mjs', 'run', ...reporters, ...args];
  const { status } = spawnSync(file, [...first, ...vitest], { stdio: 'inherit', env });
  let counts = { passed: 0, failed: 0, skipped: 0 };
  try {
    counts = countTests(JSON.parse(readFileSync(results, 'utf8')));
  } catch (error) {
    console.error(`no test results: ${error.message}`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  // A run that broke outside a test, or found no test, failed too.
  if (counts.failed === 0 && (status !== 0 || counts.passed === 0)) counts.failed = 1;
  return counts;
}

/** The test files of a folder of the project, not of those below it. */
export const testFilesIn = (folder) =>
  readdirSync(new URL(`../${folder}`, import.meta.url)).flatMap((name) =>
    name.endsWith('.test.ts') ? [`${folder}/${name}`] : [],
  );

function countTests(report) {
  // A file that does not load reports no tests, but counts as a failed one.
  const broken = report.testResults.filter((f) => f.status === 'failed' && f.assertionResults.length === 0);
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests + broken.length,
    skipped: report.numPendingTests + report.numTodoTests,
  };
}
