/**
 * Loaded into a measured command (`node --import`): profiles its main thread and counts its pipelines until the mark
 * `PROMPTKD_UNTIL`, then writes the result to the file `PROMPTKD_FOUND` and ends the process.
 */
import { subscribe } from 'node:diagnostics_channel';
import { readFileSync, writeFileSync } from 'node:fs';
import { Session } from 'node:inspector';
import { globals } from 'webgpu';
import { MARKS, type Mark } from '../../cli/debug/trace.js';
import { hostMilliseconds } from './hostTime.js';

/** The result. */
export interface Found {
  /** Milliseconds since the process started, at the first mark of each name. */
  readonly marks: Readonly<Record<string, number>>;
  readonly hostMilliseconds: number;
  /** CPU time of the main thread, if the system tells it. */
  readonly processorMilliseconds?: number;
  readonly pipelines: number;
  /** Time of the last mark, in milliseconds since 1970. */
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

/** CPU time from Linux's /proc, which has nanoseconds. */
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
    // Exit at once: a regular exit would wait for the device.
    process.kill(process.pid, 'SIGKILL');
  });
});
