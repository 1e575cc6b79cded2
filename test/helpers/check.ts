/**
 * The check of every operation: kernels against the float64 reference on random input with poisoned buffers, and
 * gradients (kernels and references) against finite differences of the float64 reference.
 */
import { expect } from 'vitest';
import type { Capabilities } from '../../engine/capabilities.js';
import { type Gpu, openGpu } from '../../engine/gpu/gpu.js';
import { Plan } from '../../engine/gpu/plan.js';
import type { GraphNode } from '../../engine/graph/op.js';
import { evaluate } from '../../engine/graph/reference.js';
import { constant, type Shape, sizeOf, type Tensor, variable } from '../../engine/graph/tensor.js';
import type { Choose } from '../../engine/graph/tunable.js';
import { toHalf } from '../../engine/half.js';
import { multiply } from '../../engine/ops/multiply.js';
import { sum } from '../../engine/ops/reduce.js';
import { grad } from '../../engine/train/autograd.js';

/**
 * The device with other abilities: kernels for CPU adapters and for GPUs, or of a lower level, are then tested on
 * whatever adapter there is.
 */
export function withCapabilities(gpu: Gpu, changed: Partial<Capabilities>): Gpu {
  const capabilities = { ...gpu.capabilities, ...changed };
  if (!gpu.capabilities.subgroups) capabilities.level = 'portable';
  return Object.create(gpu, { capabilities: { value: capabilities } }) as Gpu;
}

/**
 * Whether kernels for GPUs are tested, which they are on any adapter. SwiftShader takes half a minute to compile some, so `.ci/run`
 * leaves them to lavapipe.
 */
export const gpuKernels = process.env.PROMPTKD_GPU_KERNELS !== '0';

/** The kernels for GPUs and those for CPU adapters, or the latter alone where others are not tested. */
export const gpuAndCpu: readonly (readonly [string, { readonly software: boolean }])[] = [
  ...(gpuKernels ? ([['GPUs', { software: false }]] as const) : []),
  ['CPU adapters', { software: true }],
];

/** Each of these at both levels: every family of kernels (level `subgroups` only on an adapter that has them). */
export const kernelWays: readonly (readonly [string, Partial<Capabilities>])[] = gpuAndCpu.flatMap(
  ([way, kind]) => [
    [way, { ...kind, level: 'portable' }] as const,
    [`${way} with subgroups`, { ...kind, level: 'subgroups' }] as const,
  ],
);

let gpu: Promise<Gpu> | undefined;
/** One device for a test file: the adapter that the environment gives (PROMPTKD_ADAPTER chooses). */
export const testGpu = (): Promise<Gpu> => {
  gpu ??= openGpu();
  return gpu;
};

/** A small generator of test data, seeded: uniform in [-1, 1). */
export class TestRandom {
  constructor(private state: number) {}
  next(): number {
    // mulberry32
    this.state = (this.state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2147483648 - 1;
  }
  array(length: number, scale = 1): Float32Array {
    return Float32Array.from({ length }, () => Math.fround(this.next() * scale));
  }
  /** A variable with random values: parameters of the function under test. */
  variable(shape: Shape, label = 'x', scale = 1): Tensor {
    return variable(this.array(sizeOf(shape), scale), shape, label);
  }
  /** A float16 constant with random values. */
  halves(shape: Shape, label = 'x', scale = 1): Tensor {
    return constant(toHalf(this.array(sizeOf(shape), scale)), shape, label);
  }
}

/** |a - b| / max(|b|, floor): L2 norms, Infinity if anything is NaN. */
export function relativeError(a: ArrayLike<number>, b: ArrayLike<number>, floor = 1e-6): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  let difference = 0;
  let norm = 0;
  for (let i = 0; i < b.length; i++) {
    difference += (a[i]! - b[i]!) ** 2;
    norm += b[i]! ** 2;
  }
  const error = Math.sqrt(difference) / Math.max(Math.sqrt(norm), floor);
  return Number.isNaN(error) ? Number.POSITIVE_INFINITY : error;
}

/** Whether kernels run with every access checked, which makes them slow to compile: a step of its own in .ci/run. */
const checkBounds = process.env.PROMPTKD_CHECK_BOUNDS === '1';

/** Checks that the kernels agree with the CPU reference on every output and updated variable. */
export async function checkForward(
  outputs: readonly Tensor[],
  {
    tolerance = 1e-5,
    updates = [] as readonly GraphNode[],
    capabilities = {} as Partial<Capabilities>,
    choose = undefined as Choose | undefined,
  } = {},
): Promise<void> {
  const gpu = withCapabilities(await testGpu(), capabilities);
  const changed = updates.flatMap((node) => node.op.mutates!.map((i) => node.inputs[i]!));
  const expected = evaluate(outputs, new Map(), updates);
  const plan = await Plan.compile(gpu, { outputs, updates }, { poison: true, choose, checkBounds });
  plan.run();
  for (const tensor of [...outputs, ...changed]) {
    const error = relativeError(await plan.read(tensor), expected.get(tensor)!);
    expect(error, `${tensor} against the reference`).toBeLessThan(tolerance);
  }
  if (checkBounds) expect(await plan.outside(), 'launches that leave a tensor').toEqual([]);
  plan.destroy();
}

/**
 * Checks gradients of `sum(output * random)` with respect to every parameter (all of them variables with data):
 * kernels against the reference within `tolerance`, and the reference against central differences in float64.
 * At most `samples` elements of each parameter are perturbed.
 */
export async function checkGradient(
  output: Tensor,
  parameters: readonly Tensor[],
  {
    tolerance = 1e-4,
    differences = 1e-5,
    samples = 24,
    seed = 1,
    step = 1e-4,
    capabilities = {} as Partial<Capabilities>,
  } = {},
): Promise<void> {
  const random = new TestRandom(seed);
  const weights = constant(random.array(output.size), output.shape, 'weights');
  const loss = sum(multiply(output, weights));
  const gradients = grad(loss, parameters);
  await checkForward([output, ...gradients], { tolerance, capabilities });

  const analytic = evaluate(gradients);
  parameters.forEach((parameter, p) => {
    const data = Float64Array.from(parameter.leaf!.data!);
    const picked: number[] = [];
    const found: number[] = [];
    const expected: number[] = [];
    for (let s = 0; s < Math.min(samples, data.length); s++) {
      const i = data.length <= samples ? s : Math.floor(((random.next() + 1) / 2) * data.length);
      picked.push(i);
      const at = (delta: number) => {
        const shifted = data.slice();
        shifted[i]! += delta;
        return evaluate([loss], new Map([[parameter, shifted]])).get(loss)![0]!;
      };
      expected.push((at(step) - at(-step)) / (2 * step));
      found.push(analytic.get(gradients[p]!)![i]!);
    }
    const error = relativeError(found, expected, 1e-4);
    expect(error, `gradient of ${parameter} at ${picked} by differences`).toBeLessThan(differences);
  });
}

/** Sizes that break tiles: 1, primes, powers of two and their neighbours. */
export const oddSizes = [1, 2, 3, 5, 7, 8, 9, 13, 16, 17, 31, 32, 33, 63, 64, 65, 67, 127, 128, 129] as const;

/** Which of the two operands of a product lie transposed. */
export const layouts = [
  [false, false],
  [false, true],
  [true, false],
  [true, true],
] as const;
