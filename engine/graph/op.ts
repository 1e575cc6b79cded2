/**
 * What an operation is: a shape rule, kernels, a gradient rule and a float64 CPU reference.
 * Every file in ops/ defines one or two of these, and a function that records it.
 */

import { UserError } from '../errors.js';
import type { Capabilities } from '../gpu/gpu.js';
import type { Choose } from '../kernels/tuning.js';
import { checkHalfShape, type DType, type GraphNode, type Shape, Tensor } from './tensor.js';

/** Shape and type of one output. `scratch` marks workspace that the kernels need even if nobody reads it. */
export interface OutputSpec {
  readonly shape: Shape;
  readonly dtype?: DType;
  readonly scratch?: boolean;
}

/** A constant baked into WGSL: integers become `u32`, booleans `bool`; wrap floats with `float()`. */
export type Constant = number | boolean | { readonly f32: number };
/** Marks a constant as `f32` even when its value is whole. */
export const float = (value: number): { readonly f32: number } => ({ f32: value });

/** Data beside the tensors: `u32`, or `f32` where wrapped with `float()`. */
export type Uniform = Exclude<Constant, boolean>;

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

export interface KernelContext {
  readonly capabilities: Capabilities;
  /** For each output: does anything read it? Kernels may skip the ones that nothing reads. */
  readonly used: readonly boolean[];
  /** Chooses between kernels that do the same work; without it the first is taken. */
  readonly choose?: Choose;
}

/** Values of one tensor in the CPU reference: float64, row-major, whatever the dtype on the device. */
export type Values = Float64Array;

export interface Op<A = unknown> {
  readonly name: string;
  /** Shape rule. Throws `UserError` when the inputs do not fit. */
  outputs(inputs: readonly Tensor[], attributes: A): OutputSpec[];
  /** The launches that compute the outputs. Absent for a view, whose output is its first input's memory. */
  kernels?(node: GraphNode<A>, context: KernelContext): Dispatch[];
  /**
   * A rule of fuse.ts: the inputs, attributes and outputs of a node of this op that does the work of `node` and of
   * `consumer`, which alone reads the first output of `node`, as `tail`; undefined where there is none. Such a node is
   * only ever run: it is not recorded, and has no gradient.
   */
  absorb?(
    node: GraphNode<A>,
    consumer: GraphNode,
    tail: Tensor,
  ): Pick<GraphNode<A>, 'inputs' | 'attributes' | 'outputs'> | undefined;
  /** Multiplications and additions of one call, where they matter: products and attention. */
  flops?(node: GraphNode<A>): number;
  /**
   * Gradients with respect to the inputs, as graph nodes. `gradients[i]` is that of output i, undefined when it does
   * not reach the loss; compute only inputs that are `wanted`.
   */
  gradient?(
    node: GraphNode<A>,
    gradients: readonly (Tensor | undefined)[],
    wanted: readonly boolean[],
  ): (Tensor | undefined)[];
  /** The same in float64 on the CPU: returns every output; an op with `mutates` returns the new values of those inputs. */
  reference(node: GraphNode<A>, inputs: readonly Values[]): Values[];
  /** Whether the kernels take float16 inputs; then they use the accessors alone. */
  readonly half?: boolean;
  /** Indices of inputs that the kernels change in place. Such nodes run after all others. */
  readonly mutates?: readonly number[];
}

let recorded = 0;

/** Records a call of `op` and returns its node. */
export function record<A>(op: Op<A>, inputs: readonly Tensor[], attributes: A): GraphNode<A> {
  const halved = op.half || !op.kernels ? undefined : inputs.find((input) => input.dtype === 'f16');
  if (halved) throw new UserError(`${op.name} takes no float16: ${halved}`, 'cast it to f32 first');
  const outputs: Tensor[] = [];
  const node: GraphNode<A> = { op, inputs, attributes, outputs, order: recorded++ };
  for (const spec of op.outputs(inputs, attributes)) {
    if (spec.dtype === 'f16') checkHalfShape(spec.shape, op.name);
    outputs.push(new Tensor(spec.shape, spec.dtype ?? 'f32', undefined, node as GraphNode, op.name));
  }
  return node;
}

/** Records a call of `op` and returns its first output. */
export function call<A>(op: Op<A>, inputs: readonly Tensor[], attributes: A): Tensor {
  return record(op, inputs, attributes).outputs[0]!;
}

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
