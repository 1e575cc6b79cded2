/** The built command line as a process that can be killed, with the result of whatever way it ended. */
import { spawn } from 'node:child_process';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { FaultPlan } from './faultyFiles.mjs';

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const faultyFiles = pathToFileURL(fileURLToPath(new URL('./faultyFiles.mjs', import.meta.url))).href;

export interface Ended {
  readonly status: number | null;
  readonly killed: boolean;
  readonly stdout: string;
  readonly stderr: string;
  readonly seconds: number;
}

export interface Started {
  readonly pid: number;
  kill(signal?: NodeJS.Signals): void;
  readonly ended: Promise<Ended>;
  /** Whether it has ended. */
  over(): boolean;
}

/** Starts a command; `fault` is what happens to its files. */
export function start(args: readonly string[], cwd: string, fault?: FaultPlan): Started {
  const begun = performance.now();
  const child = spawn(process.execPath, [main, ...args], {
    cwd,
    env: {
      ...process.env,
      ...(fault && {
        TORTURE_FAULT: JSON.stringify(fault),
        NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ''} --import ${faultyFiles}`,
      }),
    },
  });
  const output = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const)
    child[stream].setEncoding('utf8').on('data', (text: string) => {
      output[stream] += text;
    });
  let over = false;
  const ended = new Promise<Ended>((resolve) =>
    child.on('close', (status, signal) => {
      over = true;
      const seconds = (performance.now() - begun) / 1000;
      resolve({ status, killed: signal === 'SIGKILL', ...output, seconds });
    }),
  );
  return { pid: child.pid!, kill: (signal = 'SIGKILL') => child.kill(signal), ended, over: () => over };
}

/** What a command line must never show. */
export function ugliness({ status, stderr }: Pick<Ended, 'status' | 'stderr'>): string | undefined {
  if (/^\s+at .+[:(]\d+/m.test(stderr)) return `a stack trace: ${stderr.slice(-600)}`;
  if (![0, 1, 2, 130, 143].includes(status ?? -1)) return `exit code ${status}: ${stderr.slice(-600)}`;
  if (status !== 0 && !/^error: ./m.test(stderr))
    return `exit code ${status} without a message: ${stderr.slice(-600)}`;
  return undefined;
}
