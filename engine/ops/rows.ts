/** Launches of row-wise kernels: one workgroup a row of the last axis. */
import type { Capabilities } from '../gpu/gpu.js';
import { type Constant, type Dispatch, type Extent, grid, type Shader, type Uniform } from '../graph/op.js';
import type { Tensor } from '../graph/tensor.js';
import { rowsOf } from './shape.js';

/** Invocations a row: the square of SIDE, as shaders/row_reduction.wgsl reduces in two steps of SIDE terms. */
const SIDE = 8;

/** Constants and grid of a kernel that gives each of `rows` rows of `width` elements to a workgroup. */
export function overRows(
  { rows, width }: { rows: number; width: number },
  constants: Readonly<Record<string, Constant>> = {},
  uniforms: Readonly<Record<string, Uniform>> = {},
): Pick<Shader, 'constants' | 'uniforms'> & Extent {
  return {
    constants: { WORKGROUP: SIDE * SIDE, SIDE, ...constants },
    uniforms: { ROWS: rows, WIDTH: width, ...uniforms },
    workgroups: grid(rows),
  };
}

/** `overRows` for the rows of a tensor. */
export const overRowsOf = (
  x: Tensor,
  constants?: Readonly<Record<string, Constant>>,
  uniforms?: Readonly<Record<string, Uniform>>,
) => overRows(rowsOf(x.shape), constants, uniforms);

/** Elements (or vectors) of a row that an invocation keeps in registers, at the most. */
const MOST_HELD = 16;

/**
 * Constants of row-wise kernels that choose how a workgroup reduces, and whether it keeps a row of `steps` elements in
 * registers. On CPU adapters it does not, as every load that is written out takes them long to compile.
 */
export function reading(steps: number, capabilities: Capabilities): Record<string, Constant> {
  const { software } = capabilities;
  // A power of two, so that models of several widths share a pipeline; what is beyond a row is skipped.
  const held = 2 ** Math.ceil(Math.log2(Math.ceil(steps / (SIDE * SIDE))));
  const holds = !software && held <= MOST_HELD;
  return { SUBGROUPS: reducesBySubgroups(capabilities), HOLDS: holds, HELD: holds ? held : 0 };
}

/** Whether a workgroup reduces by its subgroups, whose numbers shaders/rows/row_enter.wgsl takes. */
export const reducesBySubgroups = ({ level, unnumberedSubgroups }: Capabilities): boolean =>
  level !== 'portable' && !unnumberedSubgroups;

/** Widest row that a CPU adapter still gives to one invocation. */
const WIDEST_ROW = 1024;

/**
 * For CPU adapters: one invocation has `group` rows (or one), without barriers. Undefined where workgroups are better, or
 * where `x` cannot be read four values at a time. Rows whose width is no multiple of four fill whole vectors together only.
 */
export function rowAnInvocation(
  x: Tensor,
  { software }: { software: boolean },
  constants: Readonly<Record<string, Constant>>,
  group = 1,
): (Pick<Shader, 'constants' | 'uniforms'> & Extent) | undefined {
  const { rows, width } = rowsOf(x.shape);
  if (!software || (group * width) % 4 !== 0 || rows % group !== 0 || width > WIDEST_ROW) return undefined;
  const workgroup = 16;
  return {
    constants: { WORKGROUP: workgroup, GROUP: group, ALONE: true, ...constants },
    uniforms: { ROWS: rows, WIDTH: width },
    elements: rows / group,
  };
}

/** Terms from which on a workgroup works on one sum, however many sums there are. */
const MANY_TERMS = 256;

/**
 * The launch that sums `x`, seen as `[outer, reduced, inner]`, over its middle axis into `y`, in a fixed order.
 */
export function sumOver(x: Tensor, y: Tensor, outer: number, reduced: number, inner: number): Dispatch {
  const columns = reduced < MANY_TERMS;
  return {
    shader: 'reduce',
    entry: columns ? 'columns' : 'whole',
    ...(columns
      ? { constants: { COLUMNS: true }, elements: outer * inner }
      : { constants: { WORKGROUP: SIDE * SIDE, SIDE }, workgroups: grid(outer * inner) }),
    uniforms: { OUTER: outer, REDUCED: reduced, INNER: inner },
    reads: { x },
    writes: { y },
  };
}

/** The launch that sums all of `x` into `y` `[1]`. */
export const sumOf = (x: Tensor, y: Tensor): Dispatch => sumOver(x, y, 1, x.size, 1);
