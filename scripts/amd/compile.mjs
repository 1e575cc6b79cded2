/**
 * One chip of `npm run check:amd`: compiles every kernel that its adapter would run, one after another. The driver writes each
 * pipeline's statistics to stderr; a line before them there says whose they are.
 */
import { writeSync } from 'node:fs';
import { listKernels } from '../../dist/checks/shaders/adapterKernels.js';
import { openGpu } from '../../dist/engine/gpu/gpu.js';
import { getKernel } from '../../dist/engine/gpu/kernel.js';
import { MARK } from './statistics.mjs';

const say = (message) => writeSync(2, `\n${MARK}${JSON.stringify(message)}\n`);

const gpu = await openGpu();
say({ adapter: gpu.adapter.name, driver: gpu.adapter.driver });
const only = new RegExp(process.argv[2] ?? '');
for (const { label, source } of listKernels(gpu.capabilities)) {
  if (!only.test(label)) continue;
  say({ kernel: label });
  try {
    await getKernel(gpu, source);
  } catch (error) {
    say({ kernel: label, error: String(error.message ?? error) });
  }
}
say({ done: true });
// Null hardware has nothing to wait for, and is not to be taken down in order.
process.exit(0);
