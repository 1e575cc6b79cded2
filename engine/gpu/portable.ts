/** An adapter of no special abilities, for schedules that are made without a device. */
import type { Capabilities } from './gpu.js';

/** What every WebGPU adapter can do: no float16, no subgroups, no tensor cores, the least workgroup memory in use (32 KiB). */
export const PORTABLE: Capabilities = {
  f16: false,
  subgroups: false,
  subgroupMatrix: [],
  workgroupMemory: 32768,
  timestamps: false,
  software: false,
  level: 'portable',
};
