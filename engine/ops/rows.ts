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

/** Widest row that a CPU adapter still gives to one invocation. */
const WIDEST_ROW = 1024;

/**
 * For CPU adapters: one invocation a row, four columns at a time, without barriers. Undefined where workgroups are
 * better, or where the width is no multiple of four.
 */
export function rowAnInvocation(
  x: Tensor,
  { software }: { software: boolean },
  constants: Readonly<Record<string, Constant>>,
): Pick<Dispatch, 'constants' | 'workgroups'> | undefined {
  const { rows, width } = rowsOf(x.shape);
  if (!software || width % 4 !== 0 || width > WIDEST_ROW) return undefined;
  const workgroup = 16;
  return {
    constants: { WORKGROUP: workgroup, ROWS: rows, WIDTH: width, ...constants },
    workgroups: grid(rows, workgroup),
  };
}

/** Terms from which on a workgroup works on one sum, however many sums there are. */
const MANY_TERMS = 256;

/**
 * The launch that sums `x`, seen as `[outer, reduced, inner]`, over its middle axis into `y`, in a fixed order.
 */
export function sumOver(x: Tensor, y: Tensor, outer: number, reduced: number, inner: number): Dispatch {
  const columns = reduced < MANY_TERMS;
  const constants = { OUTER: outer, REDUCED: reduced, INNER: inner };
  return {
    shader: 'reduce',
    entry: columns ? 'columns' : 'whole',
    ...(columns
      ? { constants: { ...constants, COLUMNS: true }, workgroups: grid(outer * inner) }
      : { constants: { ...constants, WORKGROUP: SIDE * SIDE, SIDE }, workgroups: grid(outer * inner, 1) }),
    reads: { x },
    writes: { y },
  };
}

/** The launch that sums all of `x` into `y` `[1]`. */
export const sumOf = (x: Tensor, y: Tensor): Dispatch => sumOver(x, y, 1, x.size, 1);
