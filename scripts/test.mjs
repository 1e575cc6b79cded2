/**
 * `npm test [-- files and vitest options]`: builds, chooses an adapter like the command line, runs vitest, and ends with
 * `tests: N passed, N failed`.
 */
import { execSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { summary } from './summary.mjs';
import { countTests } from './vitestCounts.mjs';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));
try {
  if (process.env.PROMPTKD_BUILT === undefined) execSync('npm run build --silent', { stdio: 'inherit' });
} catch {
  stop('the build failed');
}

// The adapter must be in the environment before the test processes start.
const { adapterEnvironment, MARKER } = await import('../dist/cli/platform/relaunch.js');
const added = await adapterEnvironment(process.env.PROMPTKD_ADAPTER).catch((error) =>
  stop(`${error.message}\nhint: ${error.hint}`),
);
if (added[MARKER]) console.log(`adapter: the embedded software adapter (${added[MARKER]})`);

const folder = mkdtempSync(join(tmpdir(), 'promptkd-test-'));
const results = join(folder, 'results.json');
const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${results}`];
const vitest = spawnSync(
  process.execPath,
  ['node_modules/vitest/vitest.mjs', 'run', ...reporters, ...process.argv.slice(2)],
  { stdio: 'inherit', env: { ...process.env, ...added } },
);
let counts = { passed: 0, failed: 0, skipped: 0 };
try {
  counts = countTests(JSON.parse(readFileSync(results, 'utf8')));
} catch (error) {
  console.error(`no test results: ${error.message}`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
// A run that broke outside a test, or found no test, failed too.
if (counts.failed === 0 && (vitest.status !== 0 || counts.passed === 0)) counts.failed = 1;
console.log(summary(counts));
process.exit(counts.failed === 0 ? 0 : 1);

/** Ends before any test ran, which counts as a failure. */
function stop(message) {
  console.error(`error: ${message}`);
  console.log(summary({ passed: 0, failed: 1 }));
  process.exit(1);
}
