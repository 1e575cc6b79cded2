/** How matrices and activations are stored; sums, norms, losses, the residual stream and what is trained are float32 in any case. */
import { type Capabilities, constant, hasFloat16TensorCores, variable } from '../../engine/index.js';

/** How frozen matrices are stored, and on tensor cores the activations between them. */
export type Precision = 'f32' | 'f16';

/** A weight without values: a variable, or a constant stored as the precision says. The matrices of the blocks make up nearly all of a CLIP. */
export const weightLeaf = (
  name: string,
  shape: readonly number[],
  precision: Precision,
  trainable: boolean,
) =>
  trainable
    ? variable(undefined, shape, name)
    : constant(undefined, shape, name, /resblocks/.test(name) && shape.length === 2 ? precision : 'f32');

/**
 * How the activations between a block's matrices are stored: float16 where there are tensor cores, which take nothing else. Elsewhere
 * it stays float32, so that the same kernels give the same bits under both precisions, for a checkpoint of float16 numbers
 * (docs/decisions.md, "What float16 rounds").
 *
 * @param capabilities of the adapter; without it, one without tensor cores
 */
export const activationDtype = (precision: Precision, capabilities?: Capabilities): Precision =>
  precision === 'f16' && capabilities && hasFloat16TensorCores(capabilities) ? 'f16' : 'f32';
