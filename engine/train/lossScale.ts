/**
 * Dynamic loss scaling (Micikevicius et al., arXiv 1710.03740), for gradients that pass through float16: the loss is
 * multiplied by a power of two so that small gradients do not vanish, the gradients are divided by it again, a step whose
 * gradients overflowed changes nothing, and the scale falls after such a step and grows after many good ones. All of it
 * happens on the device: a planned step decides by itself.
 */

import { float } from '../graph/dispatch.js';
import { type GraphNode, type Op, record } from '../graph/op.js';
import { type Tensor, variable } from '../graph/tensor.js';
import { examples, updating } from '../ops/example.js';
import { multiply } from '../ops/multiply.js';
import { sum } from '../ops/reduce.js';
import { type GradOptions, grad } from './autograd.js';
import { allFinite } from './magnitude.js';

/** Small enough for gradients of 60 to pass, large enough for those of 1e-7 to keep three bits. */
const INITIAL = 2 ** 10;
const LARGEST = 2 ** 24;
/** Good steps after which the scale doubles. */
const INTERVAL = 200;

/** Gradients under a loss scale, and what belongs to it. */
export interface ScaledGradients {
  /** Of the loss itself, one a parameter; not finite where the step overflowed. */
  readonly gradients: readonly Tensor[];
  /** `[1]`: 1 where all of them are finite, else 0; the optimiser's gate. */
  readonly finite: Tensor;
  /** Changes the scale after the step. */
  readonly update: GraphNode;
  /** Variables that a saved checkpoint must contain. */
  readonly state: readonly Tensor[];
  /** `[1]`: steps since the scale changed; 0 right after a step that changed nothing, and rarely otherwise. */
  readonly goodSteps: Tensor;
}

/**
 * Gradients of `loss` (shape `[1]`) with respect to `parameters`, computed under a scale that adapts.
 *
 * @param checked the tensors that must be finite; pass the totals when gradients of several batches are accumulated
 */
export function scaledGrad(
  loss: Tensor,
  parameters: readonly Tensor[],
  options: GradOptions = {},
  checked: (gradients: readonly Tensor[]) => readonly Tensor[] = (gradients) => gradients,
): ScaledGradients {
  const scale = variable(Float32Array.of(INITIAL), [1], 'loss scale');
  const inverse = variable(Float32Array.of(1 / INITIAL), [1], 'inverse loss scale');
  const good = variable(Float32Array.of(0), [1], 'steps since the loss scale changed');
  const gradients = grad(multiply(loss, scale), parameters, options).map((g) => multiply(g, inverse));
  const finite = allFinite(checked(gradients));
  const update = record(scaleOp, [scale, inverse, good, finite], null);
  return { gradients, finite, update, state: [scale, inverse, good], goodSteps: good };
}

const scaleOp: Op<null, [scale: Tensor, inverse: Tensor, good: Tensor, finite: Tensor], []> = {
  name: 'updateLossScale',
  mutates: [0, 1, 2],
  outputs: () => [],
  kernels: ({ inputs: [scale, inverse, good, finite] }) => [
    {
      shader: 'loss_scale',
      constants: { INTERVAL: float(INTERVAL), LARGEST: float(LARGEST) },
      reads: { finite },
      writes: { scale, inverse, good },
      workgroups: [1, 1, 1],
    },
  ],
  reference: (_, [scale, , good, finite]) => {
    let [next, steps] = [scale[0], good[0]! + 1];
    if (finite[0] === 0) [next, steps] = [Math.max(1, next! / 2), 0];
    else if (steps >= INTERVAL) [next, steps] = [Math.min(LARGEST, next! * 2), 0];
    return [Float64Array.of(next!), Float64Array.of(1 / next!), Float64Array.of(steps)];
  },
};

/** Calls for the checks of kernels and shaders. */
export const lossScaleExamples = examples(() =>
  // With and without vectors of four.
  [8, 7].map((width) => {
    const x = variable(undefined, [3, width], 'scaled');
    return updating('scaledGrad', [scaledGrad(sum(x), [x]).update]);
  }),
);
