/** Per-device state that is owned by the file that uses it, such as caches. */

import type { Gpu } from './gpu.js';

/** Returns a function that gives the state of a device; `make` creates it on first use. */
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
