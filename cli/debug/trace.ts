/**
 * The moments of a command's start, for programs: lines of JSON in the file that `PROMPTKD_TRACE` names, and messages on a
 * channel for what is loaded into the process. Without either a mark costs nothing.
 */
import { channel } from 'node:diagnostics_channel';
import { appendFileSync } from 'node:fs';

export interface Mark {
  /** `command`, `adapter`, `weights`, `compiled`, `first step queued`, `first step done`, `end`. */
  readonly name: string;
  /** Milliseconds since the process began, and since 1970. */
  readonly ms: number;
  readonly time: number;
  readonly [detail: string]: unknown;
}

/** The name of the channel. */
export const MARKS = 'promptkd:mark';
const marks = channel(MARKS);

/** Says that a moment has come, with what belongs to it. */
export function mark(name: string, details: Readonly<Record<string, unknown>> = {}): void {
  const file = process.env.PROMPTKD_TRACE;
  if (!file && !marks.hasSubscribers) return;
  const made: Mark = { name, ms: performance.now(), time: Date.now(), ...details };
  if (file) appendFileSync(file, `${JSON.stringify(made)}\n`);
  marks.publish(made);
}
