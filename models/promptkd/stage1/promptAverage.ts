/** Gaussian averaging of the prompts over epochs (PromptSRC's GPA; docs/method.md 1.4). */
import type { Gpu } from '../../../engine/gpu/gpu.js';
import { readLeaf, write } from '../../../engine/gpu/memory.js';
import { Plan } from '../../../engine/gpu/plan.js';
import { input, type Tensor, variable } from '../../../engine/graph/tensor.js';
import { accumulate } from '../../../engine/train/optim.js';

/** Weights of epochs 1..`epochs`: a Gaussian in the epoch, normalised to sum 1 in float64. */
export function gaussianWeights(epochs: number, mean: number, deviation: number): number[] {
  const density = Array.from({ length: epochs }, (_, i) =>
    Math.exp(-0.5 * ((i + 1 - mean) / deviation) ** 2),
  );
  const total = density.reduce((sum, value) => sum + value, 0);
  return density.map((value) => value / total);
}

/** A weighted running sum of parameters, kept beside the training and not part of it. */
export class PromptAverage {
  private constructor(
    private readonly gpu: Gpu,
    private readonly weight: Tensor,
    /** One sum a parameter, in order. */
    readonly sums: readonly Tensor[],
    private readonly plan: Plan,
  ) {}

  static async create(gpu: Gpu, parameters: readonly Tensor[]): Promise<PromptAverage> {
    const weight = input([1], 'epoch weight');
    const sums = parameters.map((p) => variable(new Float32Array(p.size), p.shape, `${p.label}.average`));
    const updates = sums.map((sum, i) => accumulate(sum, parameters[i]!, weight));
    return new PromptAverage(gpu, weight, sums, await Plan.compile(gpu, { updates }));
  }

  /** Adds `weight` times the present parameters; called once after each epoch. */
  add(weight: number): void {
    write(this.gpu, this.weight, Float32Array.of(weight));
    this.plan.run();
  }

  /** The averaged parameters, once every epoch has been added. */
  read(): Promise<Float32Array[]> {
    return Promise.all(this.sums.map((sum) => readLeaf(this.gpu, sum)));
  }

  destroy(): void {
    this.plan.destroy();
  }
}
