/** Gaussian averaging of the prompts over epochs (PromptSRC's GPA; docs/method.md 1.4). */
import {
  accumulate,
  type Gpu,
  input,
  Plan,
  readLeaf,
  release,
  type Tensor,
  variable,
  write,
} from '../../../engine/index.js';
import type { ResolvedTeacher } from '../shared/defaults.js';

/** Weights of epochs 1..`epochs`: a Gaussian in the epoch, normalised to sum 1 in float64. */
export function gaussianWeights(epochs: number, mean: number, deviation: number): number[] {
  const density = Array.from({ length: epochs }, (_, i) =>
    Math.exp(-0.5 * ((i + 1 - mean) / deviation) ** 2),
  );
  const total = density.reduce((sum, value) => sum + value, 0);
  return density.map((value) => value / total);
}

/** The parameters at the ends of epochs, averaged on the device beside the training. */
export class PromptAverage {
  private constructor(
    private readonly gpu: Gpu,
    /** By epoch, from the first. */
    private readonly weights: readonly number[],
    private readonly weight: Tensor,
    /** One sum a parameter, in order. */
    readonly sums: readonly Tensor[],
    private readonly plan: Plan,
  ) {}

  /** An average that is 0 until the first epoch ends. */
  static async create(
    gpu: Gpu,
    parameters: readonly Tensor[],
    { epochs, averageMean, averageDeviation }: ResolvedTeacher,
  ): Promise<PromptAverage> {
    const weight = input([1], 'epoch weight');
    const sums = parameters.map((p) => variable(new Float32Array(p.size), p.shape, `${p.label}.average`));
    const updates = sums.map((sum, i) => accumulate(sum, parameters[i]!, weight));
    const weights = gaussianWeights(epochs, averageMean, averageDeviation);
    return new PromptAverage(gpu, weights, weight, sums, await Plan.compile(gpu, { updates }));
  }

  /** Adds the present parameters by the weight of `epoch`, counted from 1; called once after each epoch. */
  endEpoch(epoch: number): void {
    write(this.gpu, this.weight, Float32Array.of(this.weights[epoch - 1]!));
    this.plan.run();
  }

  /** The averaged parameters, once every epoch has been added. */
  read(): Promise<Float32Array[]> {
    return Promise.all(this.sums.map((sum) => readLeaf(this.gpu, sum)));
  }

  /** Frees the plan and the sums. */
  destroy(): void {
    this.plan.destroy();
    for (const leaf of [this.weight, ...this.sums]) release(this.gpu, leaf);
  }
}
