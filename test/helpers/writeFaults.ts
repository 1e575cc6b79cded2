/** Failures of the disk at a chosen call, put into the functions that writing goes through (cli/platform/files.ts). */
import { files, type OutputFile, type WritingFiles } from '../../cli/platform/files.js';

export type Call = 'create' | 'write' | 'size' | 'sync' | 'close' | 'rename' | 'syncFolder' | 'makeFolder';
export const CALLS: readonly Call[] = [
  'create',
  'write',
  'size',
  'sync',
  'close',
  'rename',
  'syncFolder',
  'makeFolder',
];

/** `short`: half of the bytes are taken. `nothing`: none are, without an error. */
export type Fault = 'ENOSPC' | 'EIO' | 'EACCES' | 'short' | 'nothing';

/** What happened until now. */
export interface Faults {
  /** How often each call was made. */
  readonly counts: Readonly<Record<Call, number>>;
  /** How often a fault was put in. */
  readonly hits: number;
  /** Puts the true functions back. */
  restore(): void;
}

/**
 * @param faultOf decides before the n-th call of a kind (from 1) whether it fails
 * @param calls the object to change, where it is not the one of the sources (such as that of dist/)
 */
export function injectFaults(
  faultOf: (call: Call, n: number, path: string) => Fault | undefined,
  calls: WritingFiles = files,
): Faults {
  const real = { ...calls };
  const counts = Object.fromEntries(CALLS.map((call) => [call, 0])) as Record<Call, number>;
  let hits = 0;
  const ask = (call: Call, path: string): 'short' | 'nothing' | undefined => {
    const fault = faultOf(call, ++counts[call], path);
    if (!fault) return undefined;
    hits++;
    if (call === 'write' && (fault === 'short' || fault === 'nothing')) return fault;
    throw Object.assign(new Error(`${fault}: put in by a test, ${call} '${path}'`), { code: fault });
  };
  const wrapped = (path: string, file: OutputFile): OutputFile => ({
    async write(bytes, at) {
      const fault = ask('write', path);
      if (fault === 'nothing') return 0;
      return file.write(fault ? bytes.subarray(0, Math.ceil(bytes.length / 2)) : bytes, at);
    },
    async size() {
      ask('size', path);
      return file.size();
    },
    async sync() {
      ask('sync', path);
      return file.sync();
    },
    // The handle goes back to the system even where closing fails.
    async close() {
      await file.close();
      ask('close', path);
    },
  });
  calls.create = async (path) => {
    ask('create', path);
    return wrapped(path, await real.create(path));
  };
  calls.rename = async (from, to) => {
    ask('rename', to);
    return real.rename(from, to);
  };
  calls.syncFolder = async (folder) => {
    ask('syncFolder', folder);
    return real.syncFolder(folder);
  };
  calls.makeFolder = async (folder) => {
    ask('makeFolder', folder);
    return real.makeFolder(folder);
  };
  return {
    counts,
    get hits() {
      return hits;
    },
    restore: () => void Object.assign(calls, real),
  };
}
