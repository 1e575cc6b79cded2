/** Builds the tree of another commit next to this one, to compare two versions. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
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
    const locked = (tree) => readFileSync(join(tree, 'package-lock.json'), 'utf8');
    if (locked(there) === locked(here)) symlinkSync(join(here, 'node_modules'), join(there, 'node_modules'));
    else
      execFileSync('npm', ['ci', '--ignore-scripts', '--silent', '--no-audit', '--no-fund'], {
        cwd: there,
        stdio: 'inherit',
      });
    for (const tree of [there, here])
      execFileSync('npm', ['run', 'build', '--silent'], { cwd: tree, stdio: 'inherit' });
    return await work({ there, here }, folder);
  } finally {
    git('worktree', 'remove', '--force', there);
    rmSync(folder, { recursive: true, force: true });
  }
}
