/** A small calculation with a known result, to tell whether an adapter can be trusted at all. */
import { UserError } from '../errors.js';
import { evaluate } from '../graph/reference.js';
import { constant } from '../graph/tensor.js';
import { largestOf } from '../kernels/tolerance.js';
import { layerNorm } from '../ops/layerNorm.js';
import { matmul } from '../ops/matmul.js';
import { softmax } from '../ops/softmax.js';
import type { Gpu } from './gpu.js';
import { release } from './memory.js';
import { Plan } from './plan.js';

/** The result of a self-check. */
export interface SelfCheck {
  readonly ok: boolean;
  /** Largest error relative to the largest result; infinite where there is no result. */
  readonly error: number;
  /** What is wrong, where that is known. */
  readonly fault?: string;
  /** Including compilation. */
  readonly milliseconds: number;
}

const SIZE = 61;
/** WGSL allows exponentials and divisions some units of the last place, and sums any order. */
const TOLERANCE = 1e-4;

/** A plan of the engine's own kernels (tiles, sums over rows, exponentials), compared with the reference in float64. */
export async function selfCheck(gpu: Gpu): Promise<SelfCheck> {
  const wave = (label: string, step: number, ...shape: number[]) => {
    const length = shape.reduce((product, size) => product * size);
    const values = Float32Array.from({ length }, (_, i) => Math.sin(step * i));
    return constant(values, shape, label);
  };
  const [a, b] = [wave('a', 1, SIZE, SIZE), wave('b', 3, SIZE, SIZE)];
  const [weight, bias] = [wave('weight', 2, SIZE), wave('bias', 5, SIZE)];
  const result = softmax(layerNorm(matmul(a, b), weight, bias));
  const started = performance.now();
  let found: Float32Array;
  try {
    const plan = await Plan.compile(gpu, { outputs: [result] });
    plan.run();
    found = await plan.read(result);
    plan.destroy();
  } catch (error) {
    // No kernel passes its trial. Anything else is a failure of the device.
    if (!(error instanceof UserError)) throw error;
    const milliseconds = performance.now() - started;
    return { ok: false, error: Number.POSITIVE_INFINITY, fault: error.message, milliseconds };
  }
  const milliseconds = performance.now() - started;
  for (const leaf of [a, b, weight, bias]) release(gpu, leaf);
  const expected = evaluate([result]).get(result)!;
  // NaN is never the largest, so it is looked for.
  const errors = found.map((value, i) => Math.abs(value - expected[i]!));
  const error = errors.some(Number.isNaN)
    ? Number.POSITIVE_INFINITY
    : Math.max(...errors) / largestOf(expected);
  return { ok: error < TOLERANCE, error, milliseconds };
}
