/** Shape rules that many operations share. */
import { UserError } from '../errors.js';
import { type Shape, sizeOf, type Tensor } from '../graph/tensor.js';

/**
 * Refuses inputs that do not fit.
 *
 * @throws UserError naming the operation, its tensors and the rule
 */
export function misfit(op: string, tensors: readonly (Tensor | undefined)[], rule: string): never {
  const given = tensors.filter(Boolean).map(String).join(', ');
  throw new UserError(`${op}: ${given} do not fit: ${rule}`, 'check the shapes of the tensors given');
}

/** A tensor seen as rows: the last axis is a row. */
export const rowsOf = (shape: Shape): { rows: number; width: number } => {
  const width = shape[shape.length - 1]!;
  return { rows: sizeOf(shape) / width, width };
};

/** True when `small` equals the last axes of `large`. */
export const isSuffix = (small: Shape, large: Shape): boolean =>
  small.length <= large.length && small.every((n, i) => n === large[large.length - small.length + i]);
