/**
 * Activation functions, element by element:
 * - `quickGelu`: x sigmoid(1.702 x), as in OpenAI's CLIP
 * - `gelu`: x Phi(x) with the normal distribution function, exact (not the tanh form)
 * - `relu`: max(x, 0), with derivative 0 at 0
 *
 * The scalar functions live in shaders/activation_functions.wgsl, which the matrix product includes too.
 */
import { call, type Dispatch, type Op, vectors } from '../graph/op.js';
import { type GraphNode, sameShape, type Tensor } from '../graph/tensor.js';
import { misfit } from './shape.js';

export type Activation = 'quickGelu' | 'gelu' | 'relu';

interface Attributes {
  readonly kind: Activation;
}

const QUICK = 1.702;
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

/** Standard normal distribution function by its series, whose terms are all of one sign: accurate to float64. */
function normalCdf(x: number): number {
  if (Math.abs(x) > 9) return x > 0 ? 1 : 0;
  let term = x;
  let series = x;
  for (let k = 3; Math.abs(term) > 1e-17 * Math.abs(series); k += 2) {
    term *= (x * x) / k;
    series += term;
  }
  return 0.5 + density(x) * series;
}
const density = (x: number): number => Math.exp(-0.5 * x * x) / Math.sqrt(2 * Math.PI);

/** act(x) in float64, for references. */
export function activationValue(x: number, kind: Activation): number {
  if (kind === 'quickGelu') return x * sigmoid(QUICK * x);
  return kind === 'gelu' ? x * normalCdf(x) : Math.max(x, 0);
}

/** act'(x) in float64, for references. */
export function activationDerivative(x: number, kind: Activation): number {
  if (kind === 'quickGelu') {
    const s = sigmoid(QUICK * x);
    return s + QUICK * x * s * sigmoid(-QUICK * x);
  }
  if (kind === 'gelu') return normalCdf(x) + x * density(x);
  return x <= 0 ? 0 : 1;
}

/** A launch of activation.wgsl on `inputs` of one shape. */
function dispatch(kind: Activation, inputs: Readonly<Record<string, Tensor>>, output: Tensor): Dispatch {
  const { lanes, VECTOR, as } = vectors(output.size);
  const gradient = 'dy' in inputs;
  return {
    shader: 'activation',
    entry: gradient ? 'gradient' : 'forward',
    constants: { VECTOR, QUICK_GELU: kind === 'quickGelu', GELU: kind === 'gelu', GRADIENT: gradient },
    reads: Object.fromEntries(Object.entries(inputs).map(([name, tensor]) => [name, as(tensor)])),
    writes: { [gradient ? 'dx' : 'y']: as(output) },
    elements: output.size / lanes,
  };
}

const op: Op<Attributes> = {
  name: 'activation',
  half: true,
  outputs: ([x]) => [{ shape: x!.shape, dtype: x!.dtype }],
  kernels: ({ inputs: [x], outputs: [y], attributes: { kind } }) => [dispatch(kind, { x: x! }, y!)],
  gradient: ({ inputs: [x], attributes: { kind } }, [dy]) => [activationGradient(x!, dy!, kind)],
  reference: ({ attributes: { kind } }, [x]) => [x!.map((v) => activationValue(v, kind))],
};

const gradientOp: Op<Attributes> = {
  name: 'activationGradient',
  half: true,
  outputs: ([x, dy]) => {
    if (!sameShape(x!.shape, dy!.shape)) misfit('activationGradient', [x, dy], 'the shapes must be equal');
    return [{ shape: x!.shape, dtype: x!.dtype }];
  },
  kernels: ({ inputs: [x, dy], outputs: [dx], attributes: { kind } }) => [
    dispatch(kind, { x: x!, dy: dy! }, dx!),
  ],
  reference: ({ attributes: { kind } }, [x, dy]) => [
    dy!.map((g, i) => g * activationDerivative(x![i]!, kind)),
  ],
};

/** act(x), any shape. */
export const activation = (x: Tensor, kind: Activation): Tensor => call(op, [x], { kind });

/** `dy * act'(pre)`: the gradient with respect to `pre`, the value before the activation. */
export const activationGradient = (pre: Tensor, dy: Tensor, kind: Activation): Tensor =>
  call(gradientOp, [pre, dy], { kind });

/** If `node` is an `activationGradient` of `dy`: its other input and which activation it is. */
export function slopeOf(
  node: GraphNode,
  dy: Tensor,
): { readonly pre: Tensor; readonly activation: Activation } | undefined {
  if (node.op !== gradientOp || node.inputs[1] !== dy || node.inputs[0] === dy) return undefined;
  return { pre: node.inputs[0]!, activation: (node.attributes as Attributes).kind };
}

export const quickGelu = (x: Tensor): Tensor => activation(x, 'quickGelu');
export const gelu = (x: Tensor): Tensor => activation(x, 'gelu');
