/** How weights and activations are stored; sums, norms, losses, the residual stream and what is trained are float32 in any case. */
import type { Capabilities } from '../../engine/gpu.js';
import { roundsToHalf } from '../../engine/product/matrix.js';

/** How frozen matrices are stored, and the activations that a backward pass reads again. */
export type Precision = 'f32' | 'f16';

/** How a weight is stored under a precision: the matrices of the blocks make up nearly all of a CLIP. */
export const weightDtype = (name: string, shape: readonly number[], precision: Precision): Precision =>
  /resblocks/.test(name) && shape.length === 2 ? precision : 'f32';

/** How what stands between a block's matrices is stored. */
export interface Activations {
  /** The hidden values of the MLP where a backward pass will read them: a third of what it keeps in float32. */
  readonly kept: Precision;
  /** The rest: outputs of LayerNorm, q, k and v, the attended values; where no gradient is taken, the hidden values too. */
  readonly passed: Precision;
}

/**
 * Rounding what goes into LayerNorm's products and into the scores of attention makes most of float16's error in the losses
 * (docs/decisions.md, "What float16 rounds"), so float16 leaves that float32, unless tensor cores round it all the same.
 *
 * @param capabilities of the adapter; without it, one without tensor cores
 */
export const activationsUnder = (precision: Precision, capabilities?: Capabilities): Activations => ({
  kept: precision,
  passed: precision === 'f16' && capabilities && roundsToHalf(capabilities) ? 'f16' : 'f32',
});
