/**
 * Ctrl-C and other stop signals. Only training listens to them: the first signal asks it to stop after the current step, the
 * second ends the process at once. Anywhere else the default applies, which ends a busy process too.
 */
import { fstatSync, readSync, statSync } from 'node:fs';
import { constants } from 'node:os';
import type { StopRequest } from '../../models/job.js';

type StopSignal = 'SIGINT' | 'SIGTERM' | 'SIGHUP';
const SIGNALS: readonly StopSignal[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/**
 * Signals within this many milliseconds count as one: `timeout` and job managers signal a process and also its group, and a
 * relaunched command gets a Ctrl-C from the terminal and from its parent.
 */
const TOGETHER = 200;

let request: { readonly signal: StopSignal; readonly time: number } | undefined;

/** Work that stopped early on request and has kept what was done. */
export class Stopped extends Error {}

/**
 * Lets a training loop notice stop signals.
 *
 * @param note tells the user that the signal was received
 */
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
    note(`${name}: stopping after this step; a second ${name} ends at once`);
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

/** The exit code of a command that was stopped by a signal. */
export const stopCode = (): number => 128 + constants.signals[request?.signal ?? 'SIGINT'];

/**
 * Ends the process by the signal, as if nobody had listened. `process.exit` would unload a software adapter while its threads
 * work, which sometimes crashes.
 */
export function end(signal: StopSignal): void {
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
}

let ignoresHangUp = false;

/**
 * Makes a run survive the end of its terminal when it was started with `nohup`: Node resets the ignored SIGHUP. `nohup` is
 * recognised by what it gives as stdin: a /dev/null that cannot be read.
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
