/**
 * What an operation is: a shape rule, kernels, a gradient rule and a float64 CPU reference.
 * Every file in ops/ defines one or two of these, and a function that records it.
 */

import type { Capabilities } from '../capabilities.js';
import { UserError } from '../errors.js';
import type { Dispatch } from './dispatch.js';
import { checkHalfShape, type DType, type Shape, Tensor, type Values } from './tensor.js';
import type { Choose } from './tunable.js';

/** Shape and type of one output. `scratch` marks workspace that the kernels need even if nobody reads it. */
export interface OutputSpec {
  readonly shape: Shape;
  readonly dtype?: DType;
  readonly scratch?: boolean;
}

/** The inputs or the outputs of an operation: a tuple where their number is fixed. */
export type Tensors = readonly Tensor[];
/** One `T` for each tensor. */
type Each<In extends Tensors, T> = { readonly [Index in keyof In]: T };

/** What an operation's kernels may depend on beside its tensors. */
export interface KernelContext<Out extends Tensors = Tensors> {
  readonly capabilities: Capabilities;
  /** For each output: does anything read it? Kernels may skip the ones that nothing reads. */
  readonly used: Each<Out, boolean>;
  /** Chooses between kernels that do the same work; without it the first is taken. */
  readonly choose?: Choose;
}

/** One recorded call of an operation. `A` is the type of its attributes (axis, epsilon, ...). */
export interface GraphNode<A = unknown, In extends Tensors = Tensors, Out extends Tensors = Tensors> {
  readonly op: Op<A, In, Out>;
  readonly inputs: In;
  readonly attributes: A;
  readonly outputs: Out;
  /** Grows with every recorded call: inputs have smaller ones than users. */
  readonly order: number;
}

/**
 * An operation: everything that the engine has to know of it. `A` is the type of its attributes, `In` and `Out` name its
 * inputs and outputs.
 */
export interface Op<A = unknown, In extends Tensors = Tensors, Out extends Tensors = Tensors> {
  readonly name: string;
  /** Shape rule. Throws `UserError` when the inputs do not fit. */
  outputs(inputs: In, attributes: A): Each<Out, OutputSpec>;
  /** The launches that compute the outputs. Absent for a view, whose output is its first input's memory. */
  kernels?(node: GraphNode<A, In, Out>, context: KernelContext<Out>): Dispatch[];
  /**
   * A rule of fuse.ts: the inputs, attributes and outputs of a node of this op that does the work of `node` and of
   * `consumer`, which alone reads the first output of `node`, as `tail`; undefined where there is none. Such a node is
   * only ever run: it is not recorded, and has no gradient.
   */
  absorb?(
    node: GraphNode<A, In, Out>,
    consumer: GraphNode,
    tail: Tensor,
  ): Pick<GraphNode<A, In, Out>, 'inputs' | 'attributes' | 'outputs'> | undefined;
  /** Multiplications and additions of one call, where they matter: products and attention. */
  flops?(node: GraphNode<A, In, Out>): number;
  /**
   * Gradients with respect to the inputs, as graph nodes. `gradients[i]` is that of output i, undefined when it does
   * not reach the loss, which the only output always does; compute only inputs that are `wanted`.
   */
  gradient?(
    node: GraphNode<A, In, Out>,
    gradients: Out extends readonly [Tensor] ? readonly [Tensor] : Each<Out, Tensor | undefined>,
    wanted: Each<In, boolean>,
  ): (Tensor | undefined)[];
  /** The same in float64 on the CPU: returns every output; an op with `mutates` returns the new values of those inputs. */
  reference(node: GraphNode<A, In, Out>, inputs: Each<In, Values>): Values[];
  /** Whether the kernels take float16 inputs; then they use the accessors alone. */
  readonly half?: boolean;
  /** Indices of inputs that the kernels change in place. Such nodes run after all others. */
  readonly mutates?: readonly number[];
}

let recorded = 0;
const producers = new WeakMap<Tensor, GraphNode>();

/** The call that computes `tensor`; undefined for a leaf. */
export const nodeOf = (tensor: Tensor): GraphNode | undefined => producers.get(tensor);

/** Records a call of `op` and returns its node. */
export function record<A, In extends Tensors, Out extends Tensors>(
  op: Op<A, In, Out>,
  inputs: NoInfer<In>,
  attributes: NoInfer<A>,
): GraphNode<A, In, Out> {
  const halved = op.half || !op.kernels ? undefined : inputs.find((input) => input.dtype === 'f16');
  if (halved) throw new UserError(`${op.name} takes no float16: ${halved}`, 'cast it to f32 first');
  const specs: readonly OutputSpec[] = op.outputs(inputs, attributes);
  const outputs: Tensors = specs.map(({ shape, dtype = 'f32' }) => {
    if (dtype === 'f16') checkHalfShape(shape, op.name);
    return new Tensor(shape, dtype, op.name);
  });
  const node = { op, inputs, attributes, outputs: outputs as Out, order: recorded++ };
  for (const output of outputs) producers.set(output, node);
  return node;
}

/** Records a call of `op` and returns its first output. */
export const call = <A, In extends Tensors>(
  op: Op<A, In>,
  inputs: NoInfer<In>,
  attributes: NoInfer<A>,
): Tensor => record(op, inputs, attributes).outputs[0]!;
