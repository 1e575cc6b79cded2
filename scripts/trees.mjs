/** Builds the tree of another commit next to this one, with the same dependencies, to compare two versions. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('..', import.meta.url));

/**
 * Builds `commit` in a temporary folder and this tree in place, calls `work` with both folders and a third one for output, and
 * removes the temporary folders.
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
