/** One launch of a kernel, as operations describe it: which text, which constants, which tensors, how often. */

import type { Tensor } from './tensor.js';

/**
 * A constant baked into WGSL: integers become `u32`, booleans `bool`; wrap floats with `float()`. The name of something in
 * the text, such as a function, is put in place of `$CONSTANT`.
 */
export type Constant = number | boolean | { readonly f32: number } | { readonly name: string };
/** Marks a constant as `f32` even when its value is whole. */
export const float = (value: number): { readonly f32: number } => ({ f32: value });

/** Data beside the tensors: `u32`, or `f32` where wrapped with `float()`. */
export type Uniform = number | { readonly f32: number };

/**
 * A tensor bound to a kernel: element by element, four at a time along its last axis, or eight float16 values at a time, as the four
 * words that hold them; of those there is no accessor, but a GPU loads them by one instruction.
 */
export type Operand = Tensor | { readonly tensor: Tensor; readonly as: 'vec4' | 'words' };

/**
 * How many values a kernel takes at a time, and how it binds its tensors: four, where all `extents` are multiples of four.
 * Those are what its indices count: the size of every tensor, or the width of a row where it finds rows.
 */
export function vectors(...extents: readonly number[]): {
  readonly lanes: 1 | 4;
  readonly VECTOR: boolean;
  readonly as: (tensor: Tensor) => Operand;
} {
  const four = extents.every((extent) => extent % 4 === 0);
  return { lanes: four ? 4 : 1, VECTOR: four, as: (tensor) => (four ? { tensor, as: 'vec4' } : tensor) };
}

type Grid = readonly [number, number, number];

/** The text of a kernel: a file in shaders/ by its base name, and the constants that are baked into it. */
export interface Shader {
  readonly shader: string;
  /** The function that runs, `main` or `element` unless given. */
  readonly entry?: string;
  readonly constants: Readonly<Record<string, Constant>>;
  /**
   * Sizes and factors that the text need not know when it is compiled. On a GPU they are read from a uniform buffer, so
   * launches that differ in them alone share a pipeline; on a CPU adapter they are constants, from which most kernels gain there.
   * The text writes them like constants, but not in declarations at module scope, lengths of arrays or directives.
   */
  readonly uniforms?: Readonly<Record<string, Uniform>>;
  /** CPU adapters read them from the buffer too: their compilers gain nothing from constants, and take long for each text. */
  readonly uniformOnCpu?: boolean;
}

/**
 * How often it runs: `workgroups` of an entry point that the file declares itself, or once for each of so many `elements`, if
 * what it declares is a function of an element's index, `fn entry(i: u32)`. Around that kernelSource.ts writes the entry point.
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
/** Workgroups in one dimension of a grid, on every adapter. */
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
