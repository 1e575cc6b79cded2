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

/** Inputs or outputs of an operation: a tuple if their number is fixed. */
export type Tensors = readonly Tensor[];
/** One `T` for each tensor. */
export type Each<In extends Tensors, T> = { readonly [Index in keyof In]: T };

/** What the kernels of an operation may depend on, besides its tensors. */
export interface KernelContext<Out extends Tensors = Tensors> {
  readonly capabilities: Capabilities;
  /** Whether anything reads each output. Kernels may skip outputs that nothing reads. */
  readonly used: Each<Out, boolean>;
  /** Chooses between kernels that do the same work. Default: the first. */
  readonly choose?: Choose;
}

/** One recorded call of an operation. `A` is the type of its attributes (axis, epsilon, ...). */
export interface GraphNode<A = unknown, In extends Tensors = Tensors, Out extends Tensors = Tensors> {
  readonly op: Op<A, In, Out>;
  readonly inputs: In;
  readonly attributes: A;
  readonly outputs: Out;
  /** Position in the order of recording: larger than that of every node it depends on. */
  readonly order: number;
}

/**
 * Everything the engine knows about an operation. `A` is the type of its attributes; `In` and `Out` are tuples that name its
 * inputs and outputs.
 */
export interface Op<A = unknown, In extends Tensors = Tensors, Out extends Tensors = Tensors> {
  readonly name: string;
  /** Shape rule. Throws `UserError` when the inputs do not fit. */
  outputs(inputs: In, attributes: A): Each<Out, OutputSpec>;
  /** The launches that compute the outputs. Absent for a view, whose output is its first input's memory. */
  kernels?(node: GraphNode<A, In, Out>, context: KernelContext<Out>): Dispatch[];
  /**
   * The fusion rule (fuse.ts): the inputs, attributes and outputs of one node of this op that does the work of both `node` and
   * `consumer`, the only reader of `tail`, the first output of `node`; undefined if they cannot be fused. The fused node is only
   * run, never recorded or differentiated.
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
   * not reach the loss; a single output always does. Compute only the inputs that are `wanted`.
   */
  gradient?(
    node: GraphNode<A, In, Out>,
    gradients: Out extends readonly [Tensor] ? readonly [Tensor] : Each<Out, Tensor | undefined>,
    wanted: Each<In, boolean>,
  ): (Tensor | undefined)[];
  /** Computes every output in float64 on the CPU; with `mutates`, the new values of those inputs instead. */
  reference(node: GraphNode<A, In, Out>, inputs: Each<In, Values>): Values[];
  /** Whether the kernels take float16 inputs. They must then read them through the generated accessors. */
  readonly half?: boolean;
  /** Indices of inputs that the kernels change in place. Such nodes run after all others. */
  readonly mutates?: readonly number[];
}

/** What an operation's reference computes, in order: the inputs that it changes, or else its outputs. */
export const resultsOf = ({ op, inputs, outputs }: GraphNode): readonly Tensor[] =>
  op.mutates ? op.mutates.map((i) => inputs[i]!) : outputs;

let recorded = 0;
const producers = new WeakMap<Tensor, GraphNode>();

/** The call that computes `tensor`; undefined for a leaf. */
export const nodeOf = (tensor: Tensor): GraphNode | undefined => producers.get(tensor);

/**
 * Records a call of `op` and returns its node.
 *
 * @throws UserError when an input or an output would be float16 and cannot be, or a shape does not fit the operation
 */
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
