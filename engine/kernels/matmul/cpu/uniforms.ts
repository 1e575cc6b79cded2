/** Whether a software adapter gets the sizes of a matmul as uniforms, so that one kernel serves all of them, or as constants. */
import type { Activation } from '../../activations.js';

/** Uniforms cost lavapipe a factor of 0.87 to 1.03 without an activation, but 1.09 with one: then sizes are constants. */
export const bindsSizesOnCpu = (activation: Activation | undefined): boolean => activation === undefined;
