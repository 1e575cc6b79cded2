/** The highest resident memory of this process during a piece of work, where the system tells it (Linux). */
import { readFileSync, writeFileSync } from 'node:fs';

const STATUS = '/proc/self/status';

function kilobytes(name: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(readFileSync(STATUS, 'utf8'))![1]);
}

/** Forgets the peak so far (proc(5), clear_refs). False where there is no such thing. */
export function resetPeak(): boolean {
  try {
    writeFileSync('/proc/self/clear_refs', '5');
    return true;
  } catch {
    return false;
  }
}

/** Bytes that the process took at most since `resetPeak`, and those that it has now. */
export const readPeak = () => ({ peak: 1024 * kilobytes('VmHWM'), now: 1024 * kilobytes('VmRSS') });
