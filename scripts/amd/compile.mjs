/**
 * One chip of `npm run check:amd`: compiles all kernels that its adapter would run, one after the other. The driver writes the
 * statistics of each pipeline to stderr, and this program writes a line with the kernel's name before them.
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
// Null hardware has nothing to wait for and does not support an orderly exit.
process.exit(0);
