/** Activation functions, element by element. kernels/activations.ts defines them. */

import { type Dispatch, vectors } from '../graph/dispatch.js';
import { call, type GraphNode, type Op } from '../graph/op.js';
import { sameShape, type Tensor } from '../graph/tensor.js';
import {
  ACTIVATIONS,
  type Activation,
  activationConstant,
  activationDerivative,
  activationValue,
} from '../kernels/activations.js';
import { cast } from './cast.js';
import { example, examples } from './example.js';
import { misfit } from './shape.js';

interface Attributes {
  readonly kind: Activation;
}

/** A launch of activation.wgsl on `inputs` of one shape. */
function dispatch(kind: Activation, inputs: Readonly<Record<string, Tensor>>, output: Tensor): Dispatch {
  const { lanes, VECTOR, as } = vectors(output.size);
  const gradient = 'dy' in inputs;
  return {
    shader: 'activation',
    entry: gradient ? 'gradient' : 'forward',
    constants: { VECTOR, ACTIVATION: activationConstant(kind), GRADIENT: gradient },
    reads: Object.fromEntries(Object.entries(inputs).map(([name, tensor]) => [name, as(tensor)])),
    writes: { [gradient ? 'dx' : 'y']: as(output) },
    elements: output.size / lanes,
  };
}

const op: Op<Attributes, [x: Tensor], [y: Tensor]> = {
  name: 'activation',
  half: true,
  outputs: ([x]) => [{ shape: x.shape, dtype: x.dtype }],
  kernels: ({ inputs: [x], outputs: [y], attributes: { kind } }) => [dispatch(kind, { x }, y)],
  gradient: ({ inputs: [x], attributes: { kind } }, [dy]) => [activationGradient(x, dy, kind)],
  reference: ({ attributes: { kind } }, [x]) => [x.map((v) => activationValue(v, kind))],
};

const gradientOp: Op<Attributes, [x: Tensor, dy: Tensor], [dx: Tensor]> = {
  name: 'activationGradient',
  half: true,
  outputs: ([x, dy]) => {
    if (!sameShape(x.shape, dy.shape)) misfit('activationGradient', [x, dy], 'the shapes must be equal');
    return [{ shape: x.shape, dtype: x.dtype }];
  },
  kernels: ({ inputs: [x, dy], outputs: [dx], attributes: { kind } }) => [dispatch(kind, { x, dy }, dx)],
  reference: ({ attributes: { kind } }, [x, dy]) => [dy.map((g, i) => g * activationDerivative(x[i]!, kind))],
};

/** act(x), any shape. */
export const activation = (x: Tensor, kind: Activation): Tensor => call(op, [x], { kind });

/** `dy * act'(preactivation)`: the gradient with respect to `preactivation`, the value that the activation was given. */
export const activationGradient = (preactivation: Tensor, dy: Tensor, kind: Activation): Tensor =>
  call(gradientOp, [preactivation, dy], { kind });

/** The preactivation and the activation of `node` if it is the `activationGradient` of `dy`, for fusing it into a matmul. */
export function gradientParts(
  node: GraphNode,
  dy: Tensor,
): { readonly preactivation: Tensor; readonly activation: Activation } | undefined {
  if (node.op !== gradientOp || node.inputs[1] !== dy || node.inputs[0] === dy) return undefined;
  return { preactivation: node.inputs[0]!, activation: (node.attributes as Attributes).kind };
}

/** x sigmoid(1.702 x), any shape. */
export const quickGelu = (x: Tensor): Tensor => activation(x, 'quickGelu');
/** x Phi(x), any shape. */
export const gelu = (x: Tensor): Tensor => activation(x, 'gelu');

/** Calls for the checks of kernels and shaders. */
export const activationExamples = examples(() =>
  ACTIVATIONS.flatMap((kind) => [
    example(`activation ${kind}`, [[3, 7]], (x) => activation(x, kind)),
    example(`activation ${kind} by vectors`, [[3, 8]], (x) => activation(x, kind)),
    example(`activation ${kind} in float16`, [[3, 8]], (x) => cast(activation(cast(x, 'f16'), kind), 'f32')),
  ]),
);
