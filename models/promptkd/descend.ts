/** The gradients of a stage's loss and the step of its optimiser. */
import { type GradOptions, grad } from '../../engine/autograd.js';
import { scaledGrad } from '../../engine/lossScale.js';
import { type Optimiser, type SgdOptions, sgd } from '../../engine/optim.js';
import type { Tensor } from '../../engine/tensor.js';

/**
 * Gradients of `loss` with respect to `parameters`, and SGD with them.
 *
 * @param half whether gradients pass through float16: then the loss is scaled (engine/lossScale.ts)
 */
export function descend(
  loss: Tensor,
  parameters: readonly Tensor[],
  rate: Tensor,
  options: GradOptions & SgdOptions,
  half: boolean,
): { gradients: readonly Tensor[]; optimiser: Optimiser } {
  if (!half) {
    const gradients = grad(loss, parameters, options);
    return { gradients, optimiser: sgd(parameters, gradients, rate, options) };
  }
  const { gradients, finite, update, state } = scaledGrad(loss, parameters, options);
  const optimiser = sgd(parameters, gradients, rate, options, finite);
  return {
    gradients,
    optimiser: { updates: [...optimiser.updates, update], state: [...optimiser.state, ...state] },
  };
}
