/** Launches of row-wise kernels: one workgroup a row of the last axis. */
import { type Constant, type Dispatch, grid } from '../op.js';
import type { Tensor } from '../tensor.js';
import { rowsOf } from './shape.js';

/** Invocations a row: the square of SIDE, as shaders/row_reduction.wgsl reduces in two steps of SIDE terms. */
const SIDE = 8;

/** Constants and grid of a kernel that gives each of `rows` rows of `width` elements to a workgroup. */
export function overRows(
  { rows, width }: { rows: number; width: number },
  constants: Readonly<Record<string, Constant>> = {},
): Pick<Dispatch, 'constants' | 'workgroups'> {
  return {
    constants: { WORKGROUP: SIDE * SIDE, SIDE, ROWS: rows, WIDTH: width, ...constants },
    workgroups: grid(rows, 1),
  };
}

/** `overRows` for the rows of a tensor. */
export const overRowsOf = (x: Tensor, constants?: Readonly<Record<string, Constant>>) =>
  overRows(rowsOf(x.shape), constants);

/** The launch that sums all of `x` into `y` `[1]`, in a fixed order. */
export const sumOf = (x: Tensor, y: Tensor): Dispatch => ({
  shader: 'reduce',
  constants: { OUTER: 1, REDUCED: x.size, INNER: 1 },
  reads: { x },
  writes: { y },
  workgroups: [1, 1, 1],
});
