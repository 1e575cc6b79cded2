/** Stands in for the package `webgpu`, which brings WebGPU to Node: here it is the browser's, or there is none. */
throw new Error('this browser has no WebGPU');

export {};
