/**
 * `npm test [-- files and vitest options]`: builds, chooses an adapter like the command line, runs vitest, and ends with
 * `tests: N passed, N failed`.
 */
import { execSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { summary } from './summary.mjs';
import { runVitest } from './vitest.mjs';

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

const counts = runVitest([process.execPath], process.argv.slice(2), { ...process.env, ...added });
console.log(summary(counts));
process.exit(counts.failed === 0 ? 0 : 1);

/** Ends before any test ran, which counts as a failure. */
function stop(message) {
  console.error(`error: ${message}`);
  console.log(summary({ passed: 0, failed: 1 }));
  process.exit(1);
}
