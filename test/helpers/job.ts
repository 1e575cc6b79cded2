import { nodePlatform } from '../../cli/platform/node.js';
import type { Job } from '../../models/job.js';
import { reportHtml } from '../../report/runReport.js';
import { testGpu } from './check.js';

/** A silent job on the test adapter; `onUpdate` may throw to interrupt it. */
export async function testJob(onUpdate: (label: string, done: number) => void = () => {}): Promise<Job> {
  return {
    gpu: await testGpu(),
    platform: nodePlatform,
    begin: (label) => ({ update: (done) => onUpdate(label, done), end: () => {} }),
    note: () => {},
    report: reportHtml,
  };
}
