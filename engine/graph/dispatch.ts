/** How operations describe one launch of a kernel: shader, constants, tensors and grid. */

import type { Tensor } from './tensor.js';

/**
 * A constant baked into WGSL: integers become `u32`, booleans `bool`; wrap floats with `float()`. A `name`, of a WGSL function
 * for instance, replaces `$CONSTANT` in the text.
 */
export type Constant = number | boolean | { readonly f32: number } | { readonly name: string };
/** Marks a constant as `f32` even when its value is whole. */
export const float = (value: number): { readonly f32: number } => ({ f32: value });

/** A value of a uniform buffer: `u32`, or `f32` if wrapped with `float()`. */
export type Uniform = number | { readonly f32: number };

/**
 * A tensor bound to a kernel as single elements, as vectors of four along its last axis, or as the four words that hold eight
 * float16 values. Words have no accessor functions, but a GPU loads them with one instruction.
 */
export type Operand = Tensor | { readonly tensor: Tensor; readonly as: 'vec4' | 'words' };

/**
 * Whether a kernel reads vectors of four, and how it binds its tensors then: where all `extents` are multiples of four. Those are
 * the sizes of its tensors, or the width of a row if it indexes by row.
 */
export function vectors(...extents: readonly number[]): {
  readonly lanes: 1 | 4;
  readonly VECTOR: boolean;
  readonly as: (tensor: Tensor) => Operand;
} {
  const four = extents.every((extent) => extent % 4 === 0);
  return { lanes: four ? 4 : 1, VECTOR: four, as: (tensor) => (four ? { tensor, as: 'vec4' } : tensor) };
}

/** Workgroups in x, y and z. */
export type Grid = readonly [number, number, number];

/** The WGSL of a kernel: a file in shaders/ by its base name, and the constants that are baked into it. */
export interface Shader {
  readonly shader: string;
  /** The function to run. Default: `main`, or `element` with `elements`. */
  readonly entry?: string;
  readonly constants: Readonly<Record<string, Constant>>;
  /**
   * Sizes and factors that can be read at run time. On a GPU they come from a uniform buffer, so launches that differ only in
   * them share a pipeline. On a CPU adapter they are constants, which makes most kernels faster there. WGSL uses them like
   * constants, but not at module scope, as array lengths or in directives.
   */
  readonly uniforms?: Readonly<Record<string, Uniform>>;
  /** CPU adapters read them from the buffer too: for kernels that gain nothing from constants and take long to compile. */
  readonly uniformOnCpu?: boolean;
}

/**
 * How often it runs: `workgroups` of an entry point in the file, or once for each of `elements` if the file only has a function of
 * an element's index, `fn entry(i: u32)`; kernelSource.ts then generates the entry point.
 */
export type Extent = { readonly workgroups: Grid } | { readonly elements: number };

/**
 * One kernel launch. The prelude that kernelSource.ts generates declares every constant, then every binding under its
 * name here: `reads` as `var<storage, read>`, `writes` as `var<storage, read_write>`. It also declares `load_NAME(i)` and, for
 * writes, `store_NAME(i, value)`, in float32 (`f32` or `vec4f`) however the tensor is stored.
 */
export type Dispatch = Shader &
  Extent & {
    readonly reads: Readonly<Record<string, Operand>>;
    readonly writes: Readonly<Record<string, Operand>>;
  };

/** Width of one-dimensional workgroups, unless a kernel says otherwise. */
export const WORKGROUP = 64;
/** The largest number of workgroups in one dimension of a grid; the same on all adapters. */
export const MAX_GROUPS = 65535;

/**
 * At least `groups` workgroups, folded into two dimensions where one is not enough. Kernels recover their number as
 * `group.x + group.y * groups.x` and must check it.
 */
export function grid(groups: number): [number, number, number] {
  if (groups <= MAX_GROUPS) return [groups, 1, 1];
  const rows = Math.ceil(groups / MAX_GROUPS);
  return [Math.ceil(groups / rows), rows, 1];
}
