/** The measured peak of float32 arithmetic in WGSL, which a step's FLOPs are compared with. */
import { type Gpu, kernelRunner, multiplyAdd, Plan, runsFor, warmUp, warmUpFor } from '../../engine/index.js';

const LEAST_MS = 4;
const SAMPLES = 3;

const peaks = new WeakMap<GPUDevice, Promise<number>>();

/**
 * FLOP/s of chains of multiplications and additions, the better of scalars and vectors and the best of some samples of a few
 * milliseconds; once a device. Tensor cores and float16 arithmetic are not in it, so kernels that use them may exceed it.
 */
export function adapterPeak(gpu: Gpu): Promise<number> {
  let peak = peaks.get(gpu.device);
  if (!peak) {
    peak = measure(gpu);
    peaks.set(gpu.device, peak);
  }
  return peak;
}

async function measure(gpu: Gpu): Promise<number> {
  const size = gpu.capabilities.software
    ? { invocations: 2 ** 13, steps: 2 ** 7 }
    : { invocations: 2 ** 20, steps: 2 ** 9 };
  let peak = 0;
  for (const wide of [false, true]) {
    const plan = await Plan.compile(gpu, { outputs: [multiplyAdd({ ...size, wide })] });
    const { flops } = plan.describe();
    const runner = kernelRunner(gpu, plan);
    const runs = runsFor(await warmUp(runner, warmUpFor(gpu)), { repeats: SAMPLES, leastMs: LEAST_MS });
    for (let i = 0; i < SAMPLES; i++) peak = Math.max(peak, (runs * flops * 1000) / (await runner.run(runs)));
    plan.destroy();
  }
  return peak;
}
