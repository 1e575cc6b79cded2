/** Finds Deno for the scripts that run something under it. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

/**
 * The command that starts Deno: the program that `PROMPTKD_DENO` names (scripts/mesa-matrix.sh sets it), else that of the package;
 * undefined if the package, or its binary for this system, is not installed.
 */
export function findDeno() {
  if (process.env.PROMPTKD_DENO) return [process.env.PROMPTKD_DENO];
  try {
    const home = dirname(createRequire(import.meta.url).resolve('deno/package.json'));
    const command = join(home, process.platform === 'win32' ? 'deno.exe' : 'deno');
    // The package's install script puts the binary in place; if it did not run, the launcher does the same.
    return existsSync(command) ? [command] : [process.execPath, join(home, 'bin.cjs')];
  } catch {
    return undefined;
  }
}
