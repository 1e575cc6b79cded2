/** The gradients of a stage's loss and the step of its optimiser. */

import type { GraphNode } from '../../../engine/graph/op.js';
import type { Tensor } from '../../../engine/graph/tensor.js';
import { type GradOptions, grad } from '../../../engine/train/autograd.js';
import { scaledGrad } from '../../../engine/train/lossScale.js';
import {
  accumulated,
  clear,
  type GradientTotals,
  type Optimiser,
  type SgdOptions,
  sgd,
} from '../../../engine/train/optim.js';

export interface DescentOptions extends GradOptions, SgdOptions {
  /** Batches whose gradients are averaged before one update (default 1). */
  readonly accumulate?: number;
}

export interface Descent {
  /** Of one batch. */
  readonly gradients: readonly Tensor[];
  /** `updates` run after every batch. */
  readonly optimiser: Optimiser;
  /** What runs after the last batch of an update; absent where every batch is one. */
  readonly finish?: readonly GraphNode[];
  /** Under a loss scale: see `ScaledGradients.goodSteps`. */
  readonly goodSteps?: Tensor;
}

/**
 * Gradients of `loss` with respect to `parameters`, and SGD with them.
 *
 * @param half whether gradients may pass through float16: then the loss is scaled (engine/train/lossScale.ts)
 */
export function descend(
  loss: Tensor,
  parameters: readonly Tensor[],
  rate: Tensor,
  options: DescentOptions,
  half: boolean,
): Descent {
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
  const descent = sgd(parameters, sums?.totals ?? gradients, rate, options, scaled?.finite);
  const updates = [...descent.updates, ...(scaled ? [scaled.update] : [])];
  const state = [...descent.state, ...(scaled?.state ?? [])];
  const goodSteps = scaled?.goodSteps;
  if (!sums) return { gradients, optimiser: { updates, state }, goodSteps };
  const finish = [...updates, ...sums.totals.map(clear)];
  return { gradients, optimiser: { updates: sums.adds, state }, finish, goodSteps };
}
