/** Launches of row-wise kernels, where a row is the last axis: a workgroup per row, or on CPU adapters a thread per row. */
import type { Capabilities } from '../capabilities.js';
import {
  type Constant,
  type Dispatch,
  type Extent,
  grid,
  type Shader,
  type Uniform,
} from '../graph/dispatch.js';
import type { Tensor } from '../graph/tensor.js';
import { rowsOf } from './shape.js';

/** A workgroup has SIDE² threads, as shaders/rows/row_reduction.wgsl reduces in two steps of SIDE terms. */
const SIDE = 8;

/** Constants and grid of a kernel with one workgroup for each of `rows` rows of `width` elements. */
export function rowPerWorkgroup(
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

/** `rowPerWorkgroup` for the rows of a tensor. */
export const rowPerWorkgroupOf = (
  x: Tensor,
  constants?: Readonly<Record<string, Constant>>,
  uniforms?: Readonly<Record<string, Uniform>>,
) => rowPerWorkgroup(rowsOf(x.shape), constants, uniforms);

/** How many elements (or vectors of four) of a row a thread may hold in registers: enough for rows of 4096 elements. */
export const HELD = [1, 2, 4, 8, 16] as const;
const MOST_HELD = 16;

/**
 * Constants that choose how a workgroup reduces, and whether it holds a row of `steps` elements in registers. Not on CPU
 * adapters, where unrolled loads take long to compile.
 */
export function reductionConstants(steps: number, capabilities: Capabilities): Record<string, Constant> {
  const { software } = capabilities;
  // Rounded up to a power of two, so that models of different widths share a pipeline.
  const held = 2 ** Math.ceil(Math.log2(Math.ceil(steps / (SIDE * SIDE))));
  const holds = !software && held <= MOST_HELD;
  return { SUBGROUPS: reducesBySubgroups(capabilities), HOLDS: holds, HELD: holds ? held : 0 };
}

/** Whether a workgroup reduces by its subgroups, whose numbers shaders/rows/row_enter.wgsl takes. */
export const reducesBySubgroups = ({ level, unnumberedSubgroups }: Capabilities): boolean =>
  level !== 'portable' && !unnumberedSubgroups;

/** Widest row that one thread handles on a CPU adapter. */
const WIDEST_ROW = 1024;

/**
 * For CPU adapters: each thread handles `group` rows (default 1) without barriers. Undefined where workgroups are faster, or
 * where `group` rows of `x` are not a multiple of four values long.
 */
export function rowPerThread(
  x: Tensor,
  { software }: { software: boolean },
  constants: Readonly<Record<string, Constant>>,
  group = 1,
): (Pick<Shader, 'constants' | 'uniforms'> & Extent) | undefined {
  const { rows, width } = rowsOf(x.shape);
  if (!software || (group * width) % 4 !== 0 || rows % group !== 0 || width > WIDEST_ROW) return undefined;
  const workgroup = 16;
  return {
    constants: { WORKGROUP: workgroup, GROUP: group, ROW_PER_THREAD: true, ...constants },
    uniforms: { ROWS: rows, WIDTH: width },
    elements: rows / group,
  };
}

/** Sums of at least this many terms get a workgroup each. */
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
