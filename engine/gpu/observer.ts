/** Submission of launches, and a place where a profiler may take it over. */
import type { KernelSource } from '../kernels/kernelSource.js';
import type { Gpu } from './gpu.js';
import { encode, type Launch } from './launch.js';

/** Sees every plan that is compiled on a device and submits its launches in the plan's place. */
export interface LaunchObserver {
  /** A plan was compiled; `sources` has an entry for each of its launches. */
  compiled(sources: readonly KernelSource[]): void;
  /** Must submit all launches, in this order, before it returns. */
  submit(launches: readonly Launch[]): void;
}

const observers = new WeakMap<GPUDevice, LaunchObserver>();

/** Sets the observer of a device; there is one at most. */
export const observe = (gpu: Gpu, observer: LaunchObserver): void => {
  observers.set(gpu.device, observer);
};

/** The observer of a device, if it has one. */
export const observerOf = (gpu: Gpu): LaunchObserver | undefined => observers.get(gpu.device);

/** Encodes launches into one pass and submits it, or leaves that to the observer. */
export function submit(gpu: Gpu, launches: readonly Launch[]): void {
  const observer = observerOf(gpu);
  if (observer) {
    observer.submit(launches);
    return;
  }
  const encoder = gpu.device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  encode(pass, launches);
  pass.end();
  gpu.device.queue.submit([encoder.finish()]);
}
