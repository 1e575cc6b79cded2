/**
 * The start-up phases of a command, for programs: lines of JSON in the file that `PROMPTKD_TRACE` names, and messages on a
 * diagnostics channel for code in the same process. Without either a mark costs nothing.
 */
import { channel } from 'node:diagnostics_channel';
import { appendFileSync } from 'node:fs';

/** A phase that was reached. */
export interface Mark {
  /** `command`, `adapter`, `weights`, `compiled`, `first step queued`, `first step done`, `end`. */
  readonly name: string;
  /** Milliseconds since the process started. */
  readonly ms: number;
  /** Milliseconds since 1970. */
  readonly time: number;
  readonly [detail: string]: unknown;
}

/** The name of the diagnostics channel. */
export const MARKS = 'promptkd:mark';
const marks = channel(MARKS);

/** Records that a phase was reached, with details of it. */
export function mark(name: string, details: Readonly<Record<string, unknown>> = {}): void {
  const file = process.env.PROMPTKD_TRACE;
  if (!file && !marks.hasSubscribers) return;
  const made: Mark = { name, ms: performance.now(), time: Date.now(), ...details };
  if (file) appendFileSync(file, `${JSON.stringify(made)}\n`);
  marks.publish(made);
}
