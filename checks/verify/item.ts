/** One comparison with a reference number, and how errors are measured. */

/** The float32 tolerance of the reference numbers; their own float32 run is within 4e-5. */
export const TOLERANCE = 1e-3;

/** The comparison of one number or tensor with its reference. */
export interface VerifyItem {
  readonly name: string;
  /** What `error` measures, such as "relative" or "bytes that differ". */
  readonly measure: string;
  readonly error: number;
  readonly tolerance: number;
  readonly ok: boolean;
  /** Why the item was not compared; such an item is neither ok nor a miss. */
  readonly skipped?: string;
  /** Why there was nothing to compare, for a miss without a number. */
  readonly problem?: string;
}

/** All comparisons with the reference numbers at a path. */
export interface VerifyReport {
  readonly path: string;
  readonly kind: 'training case' | 'preprocessing case' | 'formats folder' | 'tokenizer list';
  readonly items: readonly VerifyItem[];
}

/** A comparison whose error was measured. NaN is a miss. */
export function item(name: string, error: number, tolerance: number, measure = 'relative'): VerifyItem {
  return { name, measure, error, tolerance, ok: error <= tolerance };
}

/** An item that was not compared; it counts as neither passed nor failed. */
export const skipped = (name: string, why: string): VerifyItem => ({
  name,
  measure: '',
  error: 0,
  tolerance: 0,
  ok: true,
  skipped: why,
});

/** A miss without a number: computing the item failed. */
export const failed = (name: string, why: string, tolerance = TOLERANCE): VerifyItem => ({
  name,
  measure: '',
  error: Number.POSITIVE_INFINITY,
  tolerance,
  ok: false,
  problem: why,
});

/** L2 norm, summed in float64. */
export const norm = (values: ArrayLike<number>): number => {
  let total = 0;
  for (let i = 0; i < values.length; i++) total += values[i]! ** 2;
  return Math.sqrt(total);
};

/**
 * |found - expected| / max(|expected|, floor), L2 norms; Infinity for another length or for NaN.
 * `floor` keeps tensors whose true value is zero comparable: a thousandth of the largest norm in their group.
 */
export function relativeError(found: ArrayLike<number>, expected: ArrayLike<number>, floor = 0): number {
  if (found.length !== expected.length) return Number.POSITIVE_INFINITY;
  let difference = 0;
  for (let i = 0; i < expected.length; i++) difference += (found[i]! - expected[i]!) ** 2;
  const scale = Math.max(norm(expected), floor);
  const error = difference === 0 ? 0 : Math.sqrt(difference) / scale;
  return Number.isNaN(error) ? Number.POSITIVE_INFINITY : error;
}

/** Compares tensors of one group by name: those that `found` has. */
export function compareGroup(
  found: ReadonlyMap<string, ArrayLike<number>>,
  expected: ReadonlyMap<string, ArrayLike<number>>,
  tolerance = TOLERANCE,
): VerifyItem[] {
  const floor = 1e-3 * Math.max(...[...expected.values()].map(norm), 0);
  return [...expected].map(([name, values]) =>
    item(name, relativeError(found.get(name) ?? [], values, floor), tolerance),
  );
}
