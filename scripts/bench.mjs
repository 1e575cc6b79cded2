/** `npm run bench -- …`: builds, chooses the adapter before Vulkan is loaded, like the command line, and starts bench/. */
import { execSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));
if (process.env.PROMPTKD_BUILT === undefined) execSync('npm run build --silent', { stdio: 'inherit' });

const { adapterEnvironment, runAgain } = await import('../dist/cli/platform/relaunch.js');
let added;
try {
  added = await adapterEnvironment(process.env.PROMPTKD_ADAPTER);
} catch (error) {
  console.error(`error: ${error.message}\nhint: ${error.hint}`);
  process.exit(2);
}
process.exit(await runAgain(['dist/bench/main.js', ...process.argv.slice(2)], { ...process.env, ...added }));
