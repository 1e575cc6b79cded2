/** Bounds on rounding errors, for comparing kernels with float64. */

import type { DType, Values } from '../graph/tensor.js';

/** The distance between neighbouring numbers of a type, relative to the larger: an ulp. */
export const ULP: Readonly<Record<DType, number>> = { f32: 2 ** -23, f16: 2 ** -10, i32: 0 };

/**
 * How far off a float32 sum may be, in whatever order its `depth` terms are added: a first-order bound (Higham, Accuracy and
 * Stability of Numerical Algorithms, 4.2) for a sum of absolute values `terms`. Eight more roundings finish a result.
 */
export const summationError = (depth: number, terms: number): number => (depth + 8) * 2 ** -24 * terms;

/** The largest magnitude among values that are not NaN; 0 if there are none. */
export const largestOf = (values: Values): number =>
  values.reduce((largest, value) => (Number.isNaN(value) ? largest : Math.max(largest, Math.abs(value))), 0);
