import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

/** Runs the built command line as a user would, in `cwd`. */
export function promptkd(args: readonly string[], cwd?: string) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], {
    encoding: 'utf8',
    timeout: 240_000,
    ...(cwd && { cwd }),
  });
  return { status, stdout, stderr };
}
