/**
 * Activation functions. A new one needs an entry in `FUNCTIONS`, and in shaders/elementwise/activation_functions.wgsl the function
 * and its derivative, `NAME` and `NAME_derivative`. Kernels call both by name, so a missing one is a compile error.
 */
import type { Constant } from '../graph/dispatch.js';

interface ActivationFunction {
  /** Name of the WGSL function. */
  readonly wgsl: string;
  /** The function in float64. */
  value(x: number): number;
  /** Its derivative in float64, of magnitude `STEEPEST` at most. */
  derivative(x: number): number;
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

const FUNCTIONS = {
  /** x sigmoid(1.702 x), as in OpenAI's CLIP. */
  quickGelu: {
    wgsl: 'quick_gelu',
    value: (x) => x * sigmoid(QUICK * x),
    derivative: (x) => {
      const s = sigmoid(QUICK * x);
      return s + QUICK * x * s * sigmoid(-QUICK * x);
    },
  },
  /** x Phi(x) with the normal distribution function, exact (not the tanh form). */
  gelu: {
    wgsl: 'gelu',
    value: (x) => x * normalCdf(x),
    derivative: (x) => normalCdf(x) + x * density(x),
  },
  /** max(x, 0), with derivative 0 at 0. */
  relu: {
    wgsl: 'relu',
    value: (x) => Math.max(x, 0),
    derivative: (x) => (x <= 0 ? 0 : 1),
  },
} satisfies Readonly<Record<string, ActivationFunction>>;

/** The name of an activation function. */
export type Activation = keyof typeof FUNCTIONS;

/** The names of all activation functions. */
export const ACTIVATIONS = Object.keys(FUNCTIONS) as readonly Activation[];

/** No derivative exceeds this: it bounds how much an activation's backward pass amplifies rounding errors. */
export const STEEPEST = 1.13;

/** act(x) in float64, for references. */
export const activationValue = (x: number, activation: Activation): number => FUNCTIONS[activation].value(x);

/** act'(x) in float64, for references. */
export const activationDerivative = (x: number, activation: Activation): number =>
  FUNCTIONS[activation].derivative(x);

/** The constant ACTIVATION of a kernel, whose `$ACTIVATION(x)` calls the function; the identity if there is none. */
export const activationConstant = (activation: Activation | undefined): Constant => ({
  name: activation ? FUNCTIONS[activation].wgsl : 'identity',
});
