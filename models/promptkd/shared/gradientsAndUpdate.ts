/** The gradients of a stage's loss, the step of its optimiser, and the check of what that leaves behind. */
import {
  accumulated,
  clear,
  type GradientTotals,
  type GradOptions,
  type GraphNode,
  grad,
  type Optimiser,
  type SgdOptions,
  scaledGrad,
  sgd,
  type Tensor,
} from '../../../engine/index.js';
import { type Health, recordHealth } from './health.js';

/** How gradients are computed and applied. */
export interface GradientOptions extends GradOptions, SgdOptions {
  /** Batches whose gradients are averaged before one update (default 1). */
  readonly accumulate?: number;
}

/** BatchNorm's running statistics, and what changes them with every batch. */
export interface Statistics {
  readonly tensors: readonly Tensor[];
  readonly updates: readonly GraphNode[];
}

/** What a step learns, and how. */
export interface GradientsAndUpdate {
  readonly parameters: readonly Tensor[];
  /** Of one batch, in the order of `parameters`. */
  readonly gradients: readonly Tensor[];
  readonly optimiser: Optimiser;
  /** Everything that a batch changes, and the check of it. */
  readonly updates: readonly GraphNode[];
  /** What runs after the last batch of an update; absent where every batch is one. */
  readonly finish?: readonly GraphNode[];
  /** Batches of one update. */
  readonly accumulate: number;
  readonly health: Health;
}

/**
 * Gradients of `loss` with respect to `parameters`, and SGD with them.
 *
 * @param half whether gradients may pass through float16: then the loss is scaled (engine/train/lossScale.ts)
 */
export function gradientsAndUpdate(
  loss: Tensor,
  parameters: readonly Tensor[],
  rate: Tensor,
  options: GradientOptions,
  half: boolean,
  statistics: Statistics = { tensors: [], updates: [] },
): GradientsAndUpdate {
  const { accumulate = 1 } = options;
  let sums: GradientTotals | undefined;
  const total = (gradients: readonly Tensor[]): readonly Tensor[] => {
    if (accumulate === 1) return gradients;
    sums = accumulated(parameters, gradients, accumulate);
    return sums.totals;
  };
  const scaled = half ? scaledGrad(loss, parameters, options, total) : undefined;
  const gradients = scaled?.gradients ?? grad(loss, parameters, options);
  if (!scaled) total(gradients);
  const step = sgd(parameters, sums?.totals ?? gradients, rate, options, scaled?.finite);
  const stepped = [...step.updates, ...(scaled ? [scaled.update] : [])];
  const finish = sums && [...stepped, ...sums.totals.map(clear)];
  // After everything that it looks at.
  const health = recordHealth(parameters, statistics.tensors, sums !== undefined, scaled?.goodSteps);
  const optimiser = {
    updates: sums?.adds ?? stepped,
    state: [...step.state, ...(scaled?.state ?? [])],
  };
  return {
    ...{ parameters, gradients, optimiser, accumulate, health },
    updates: [...optimiser.updates, ...statistics.updates, ...health.updates],
    finish: finish && [...finish, ...health.finish],
  };
}
