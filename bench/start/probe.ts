/**
 * Loaded into a command that is measured (`node --import`): profiles its main thread and counts its pipelines until the mark
 * that `PROMPTKD_UNTIL` names, writes what it found to the file `PROMPTKD_FOUND`, and ends the process there.
 */
import { subscribe } from 'node:diagnostics_channel';
import { readFileSync, writeFileSync } from 'node:fs';
import { Session } from 'node:inspector';
import { globals } from 'webgpu';
import { MARKS, type Mark } from '../../cli/debug/trace.js';
import { hostMilliseconds } from './hostTime.js';

export interface Found {
  /** Milliseconds of the process at each mark, the first of its name. */
  readonly marks: Readonly<Record<string, number>>;
  readonly hostMilliseconds: number;
  /** Processor time of the main thread, where the system tells it. */
  readonly processorMilliseconds?: number;
  readonly pipelines: number;
  /** When the mark came, in milliseconds since 1970. */
  readonly time: number;
}

const { PROMPTKD_UNTIL: until, PROMPTKD_FOUND: file } = process.env;
const session = new Session();
session.connect();
session.post('Profiler.enable');
session.post('Profiler.start');

let pipelines = 0;
const device = (globals as { GPUDevice: { prototype: Record<string, (...args: unknown[]) => unknown> } })
  .GPUDevice.prototype;
for (const name of ['createComputePipeline', 'createComputePipelineAsync']) {
  const original = device[name]!;
  device[name] = function (this: unknown, ...args: unknown[]) {
    pipelines++;
    return original.apply(this, args);
  };
}

/** Linux has it in nanoseconds. */
function processorMilliseconds(): number | undefined {
  try {
    const [running] = readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'utf8').split(' ');
    return Number(running) / 1e6;
  } catch {
    return undefined;
  }
}

const marks: Record<string, number> = {};
subscribe(MARKS, (message) => {
  const { name, ms, time } = message as Mark;
  marks[name] ??= ms;
  if (name !== until) return;
  const processor = processorMilliseconds();
  session.post('Profiler.stop', (_, { profile }) => {
    const found: Found = {
      marks,
      hostMilliseconds: hostMilliseconds(profile),
      processorMilliseconds: processor,
      pipelines,
      time,
    };
    writeFileSync(file!, JSON.stringify(found));
    // At once: leaving in order takes as long as the device still computes.
    process.kill(process.pid, 'SIGKILL');
  });
});
