/** State that belongs to a device, kept by the file that needs it: `Gpu` knows nothing of caches and choices. */

import type { Gpu } from './gpu.js';

/** A function that gives the state of a device, made by `make` when it is asked for first; it goes with the device. */
export function perDevice<T>(make: () => T): (gpu: Gpu) => T {
  const states = new WeakMap<GPUDevice, T>();
  return ({ device }) => {
    let state = states.get(device);
    if (state === undefined) {
      state = make();
      states.set(device, state);
    }
    return state;
  };
}
