/** How far rounding may take a kernel's results from those in float64. */

import type { DType, Values } from '../graph/tensor.js';

/** The distance between neighbouring numbers of a type, relative to the larger: an ulp. */
export const ULP: Readonly<Record<DType, number>> = { f32: 2 ** -23, f16: 2 ** -10, i32: 0 };

/**
 * How far off a float32 sum may be, in whatever order its `depth` terms are added: a first-order bound (Higham, Accuracy and
 * Stability of Numerical Algorithms, 4.2) for a sum of absolute values `terms`. Eight more roundings finish a result.
 */
export const summationError = (depth: number, terms: number): number => (depth + 8) * 2 ** -24 * terms;

export const largestOf = (values: Values): number =>
  values.reduce((largest, value) => (Number.isNaN(value) ? largest : Math.max(largest, Math.abs(value))), 0);
