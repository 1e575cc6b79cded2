/** The most arithmetic that an adapter does in WGSL, measured: what a step's FLOPs are compared with. */
import type { Gpu } from './gpu.js';
import { getKernel, type KernelSource, kernelSource } from './kernel.js';
import { createStorage, leafBuffer, release } from './memory.js';
import { WORKGROUP } from './op.js';
import { constant, input } from './tensor.js';

const CHAINS = 3;
const ROUNDS = 512;
/** Multiplications and additions of a workgroup. */
const FLOPS = WORKGROUP * CHAINS * ROUNDS * 4 * 2;
/** Long against a submission and its end. */
const LEAST_MS = 4;
const SAMPLES = 3;

/** x = x / 2 + 1 has the fixed point 2, so nothing overflows and a test knows the end. */
export const FACTORS = Float32Array.of(0.5, 1);
/** What every result is in the end. */
export const RESULT = CHAINS * 4 * 2;

/** Its kernel, also for checks that compile every shader. */
export function aluPeakSource(): KernelSource {
  const factors = constant(undefined, [2], 'factors');
  const result = input([WORKGROUP], 'result');
  return kernelSource({
    shader: 'alu_peak',
    constants: { CHAINS, ROUNDS },
    reads: { factors },
    writes: { result },
    workgroups: [1, 1, 1],
  });
}

const peaks = new WeakMap<GPUDevice, Promise<AluPeak>>();

export interface AluPeak {
  /** Float32 multiplications and additions a second, the best of some samples. */
  readonly flops: number;
  /** What the kernel computed last, `[WORKGROUP]`. */
  readonly result: GPUBuffer;
}

/**
 * Measures once a device; some milliseconds on any adapter. Tensor cores and float16 arithmetic are not in it, so kernels that
 * use them may exceed it.
 */
export function aluPeak(gpu: Gpu): Promise<AluPeak> {
  let peak = peaks.get(gpu.device);
  if (!peak) {
    peak = measure(gpu);
    peaks.set(gpu.device, peak);
  }
  return peak;
}

async function measure(gpu: Gpu): Promise<AluPeak> {
  const { device } = gpu;
  const kernel = await gpu.wait(getKernel(gpu, aluPeakSource()));
  const factors = constant(FACTORS, [2], 'factors');
  const result = createStorage(gpu, WORKGROUP * 4, 'alu peak');
  const buffers = [leafBuffer(gpu, factors), result];
  const bindGroup = device.createBindGroup({
    layout: kernel.layout,
    entries: buffers.map((buffer, binding) => ({ binding, resource: { buffer } })),
  });
  const time = async (workgroups: number): Promise<number> => {
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(kernel.pipeline);
    pass.setBindGroup(0, bindGroup);
    pass.dispatchWorkgroups(workgroups);
    pass.end();
    const started = performance.now();
    device.queue.submit([encoder.finish()]);
    await gpu.wait(device.queue.onSubmittedWorkDone());
    return performance.now() - started;
  };
  let workgroups = 64;
  await time(1); // Some adapters compile in the first dispatch.
  while ((await time(workgroups)) < LEAST_MS && workgroups < 32_768) workgroups *= 4;
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < SAMPLES; i++) best = Math.min(best, await time(workgroups));
  release(gpu, factors);
  gpu.check();
  return { flops: (workgroups * FLOPS * 1000) / best, result };
}
