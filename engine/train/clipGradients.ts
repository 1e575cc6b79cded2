/** Clipping gradients by their global norm, as `torch.nn.utils.clip_grad_norm_`. */

import { float } from '../graph/dispatch.js';
import { call, type Op } from '../graph/op.js';
import type { Tensor } from '../graph/tensor.js';
import { examples, frozen, withoutGradient } from '../ops/example.js';
import { rowPerWorkgroup } from '../ops/rows.js';

const squaresOp: Op<null, [x: Tensor, ...total: Tensor[]], [y: Tensor]> = {
  name: 'addSquares',
  outputs: () => [{ shape: [1] }],
  kernels: ({ inputs: [x, total], outputs: [y] }) => [
    {
      shader: 'gradient_norm',
      entry: 'squares',
      ...rowPerWorkgroup({ rows: 1, width: x.size }, { SQUARES: true, START: !total }),
      uniforms: { SIZE: x.size },
      reads: { x, ...(total && { total }) },
      writes: { y },
    },
  ],
  reference: (_, [x, total]) => [Float64Array.of(x.reduce((sum, v) => sum + v * v, total?.[0] ?? 0))],
};

const factorOp: Op<{ readonly largest: number }, [total: Tensor], [y: Tensor]> = {
  name: 'clipFactor',
  outputs: () => [{ shape: [1] }],
  kernels: ({ inputs: [total], outputs: [y], attributes: { largest } }) => [
    {
      shader: 'gradient_norm',
      entry: 'factor',
      constants: {},
      uniforms: { LARGEST: float(largest) },
      reads: { total },
      writes: { y },
      elements: 1,
    },
  ],
  reference: ({ attributes: { largest } }, [total]) => [
    Float64Array.of(Math.min(1, largest / (Math.sqrt(total[0]!) + 1e-6))),
  ],
};

/**
 * The squared global norm of all gradients, `[1]`.
 *
 * @throws Error when there are no gradients
 */
export function squaredNorm(gradients: readonly Tensor[]): Tensor {
  let total: Tensor | undefined;
  for (const gradient of gradients) total = call(squaresOp, total ? [gradient, total] : [gradient], null);
  if (!total) throw new Error('squaredNorm needs a tensor');
  return total;
}

/** The factor, `[1]`, that scales gradients to a global norm of at most `largest`; 1 if it is smaller. */
export const clipFactor = (gradients: readonly Tensor[], largest: number): Tensor =>
  call(factorOp, [squaredNorm(gradients)], { largest });

/** Calls for the checks of kernels and shaders. */
export const clipGradientsExamples = examples(() => [
  withoutGradient('clipFactor', clipFactor([frozen(5, 7), frozen(7)], 1)),
]);
