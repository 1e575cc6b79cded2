/** Another commit's tree beside this one, built with the same dependencies: what comparisons of two versions share. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('..', import.meta.url));

/**
 * Builds `commit` in a temporary folder and this tree in place, calls `work` with both folders and a third to write into, and
 * removes what is temporary.
 */
export async function withTrees(commit, work) {
  const folder = mkdtempSync(join(tmpdir(), 'promptkd-against-'));
  const there = join(folder, 'tree');
  const git = (...args) => execFileSync('git', args, { cwd: here, stdio: ['ignore', 'inherit', 'inherit'] });
  try {
    git('worktree', 'add', '--detach', '--quiet', there, commit);
    symlinkSync(join(here, 'node_modules'), join(there, 'node_modules'));
    for (const tree of [there, here])
      execFileSync('npm', ['run', 'build', '--silent'], { cwd: tree, stdio: 'inherit' });
    return await work({ there, here }, folder);
  } finally {
    git('worktree', 'remove', '--force', there);
    rmSync(folder, { recursive: true, force: true });
  }
}
