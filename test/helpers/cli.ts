import { spawn, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

/** Runs the built command line as a user would, in `cwd`. */
export function promptkd(args: readonly string[], cwd?: string, env: Readonly<Record<string, string>> = {}) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], {
    encoding: 'utf8',
    timeout: 240_000,
    env: { ...process.env, ...env },
    ...(cwd && { cwd }),
  });
  return { status, stdout, stderr };
}

/** The same without waiting, for commands that talk to a server in the test's own process. */
export async function promptkdAsync(
  args: readonly string[],
  { cwd, env }: { cwd?: string; env?: Readonly<Record<string, string>> } = {},
) {
  const child = spawn(process.execPath, [main, ...args], {
    env: { ...process.env, ...env },
    ...(cwd && { cwd }),
  });
  const output = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const)
    child[stream].setEncoding('utf8').on('data', (text: string) => {
      output[stream] += text;
    });
  const status = await new Promise<number | null>((resolve) => child.on('close', resolve));
  return { status, ...output };
}
