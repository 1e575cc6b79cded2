/**
 * Ctrl-C and its kind. Nobody listens but while a run trains: elsewhere the system ends the process at once, also one that is
 * busy, and unloads nothing. In training the first signal asks, and the next ends at once.
 */
import { fstatSync, readSync, statSync } from 'node:fs';
import { constants } from 'node:os';
import type { StopRequest } from '../../models/job.js';

type StopSignal = 'SIGINT' | 'SIGTERM' | 'SIGHUP';
const SIGNALS: readonly StopSignal[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/**
 * Signals of so many milliseconds are one: `timeout` and job managers send to a process and to its group, and a command that
 * was started again hears of a Ctrl-C from the terminal and from its parent.
 */
const TOGETHER = 200;

let request: { readonly signal: StopSignal; readonly time: number } | undefined;

/** Work that ended early as it was asked to, with all that was done kept. */
export class Stopped extends Error {}

/** @param note tells the user that the signal was heard */
export function createStop(note: (line: string) => void): StopRequest {
  const hear = (signal: StopSignal): void => {
    const time = performance.now();
    if (request && time - request.time < TOGETHER) return;
    if (request) {
      end(signal);
      return;
    }
    request = { signal, time };
    const name = signal === 'SIGINT' ? 'Ctrl-C' : signal;
    note(`${name}: stopping after this step; once more ends at once`);
  };
  const heard = SIGNALS.filter((signal) => signal !== 'SIGHUP' || !ignoresHangUp);
  return {
    get requested() {
      return request !== undefined;
    },
    begin: () => {
      for (const signal of heard) process.on(signal, hear);
    },
    end: () => {
      for (const signal of heard) process.off(signal, hear);
    },
    stopped: (line) => new Stopped(line),
  };
}

/** The exit code of a command that stopped because it was asked to. */
export const stopCode = (): number => 128 + constants.signals[request?.signal ?? 'SIGINT'];

/**
 * Ends as if nobody had listened. `process.exit` would unload a software adapter whose threads are at work, which crashes now
 * and then.
 */
export function end(signal: StopSignal): void {
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
}

let ignoresHangUp = false;

/**
 * Node forgets that `nohup` has a hang-up ignored, and a run for a night is started with it. It is known by what it puts in the
 * place of a terminal on stdin: a /dev/null that cannot be read.
 */
export function keepNohup(): void {
  ignoresHangUp = stdinIsNohups();
  if (ignoresHangUp) process.on('SIGHUP', () => {});
}

function stdinIsNohups(): boolean {
  try {
    if (fstatSync(0).rdev !== statSync('/dev/null').rdev) return false;
    readSync(0, new Uint8Array(1));
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EBADF';
  }
}
