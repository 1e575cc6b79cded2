/** AdamW as graph updates (Loshchilov and Hutter, arXiv 1711.05101; `torch.optim.AdamW`). */
import { float } from '../graph/dispatch.js';
import { type Op, record } from '../graph/op.js';
import { type Tensor, variable } from '../graph/tensor.js';
import { examples, frozen, updating } from '../ops/example.js';
import type { Optimiser } from './optim.js';

/** Options of `adamW`. */
export interface AdamWOptions {
  /** Decay of the average of gradients, default 0.9. */
  readonly beta1?: number;
  /** Decay of the average of their squares, default 0.999. */
  readonly beta2?: number;
  /** Added to the root of that average, default 1e-8. */
  readonly epsilon?: number;
  /** Share of a parameter that is taken away a step, times the learning rate: default 0.01. */
  readonly weightDecay?: number;
  /** Which parameters decay (default: all); usually matrices, not biases and gains. */
  readonly decays?: (parameter: Tensor) => boolean;
  /** Shape `[1]`: what every gradient is multiplied by, such as `clipFactor`. */
  readonly factor?: Tensor;
  /** Shape `[1]`: where it is 0 the step changes nothing (lossScale.ts). */
  readonly gate?: Tensor;
}

interface Moments {
  readonly beta1: number;
  readonly beta2: number;
}

const moments = ({ beta1, beta2 }: Moments) => ({
  BETA1: float(beta1),
  BETA2: float(beta2),
  // Subtracted in float64: 1 - 0.999 in float32 would be wrong in the fifth digit.
  REST1: float(1 - beta1),
  REST2: float(1 - beta2),
});

const correctOp: Op<Moments, [corrections: Tensor, ...gate: Tensor[]], []> = {
  name: 'adamWCorrections',
  mutates: [0],
  outputs: () => [],
  kernels: ({ inputs: [corrections, gate], attributes }) => [
    {
      shader: 'adamw',
      entry: 'correct',
      constants: { CORRECT: true, GATED: gate !== undefined },
      uniforms: moments(attributes),
      reads: { ...(gate && { gate }) },
      writes: { corrections },
      elements: 1,
    },
  ],
  reference: ({ attributes: { beta1, beta2 } }, [corrections, gate]) => {
    if (gate?.[0] === 0) return [corrections];
    return [corrections.map((c, i) => (i === 0 ? beta1 * c + (1 - beta1) : beta2 * c + (1 - beta2)))];
  },
};

interface StepAttributes extends Moments {
  readonly epsilon: number;
  readonly weightDecay: number;
  /** Which of the optional inputs there are. */
  readonly scaled: boolean;
  readonly gated: boolean;
}

/** Factor and gate among the inputs from the seventh on. */
const optional = <T>({ scaled, gated }: StepAttributes, rest: readonly T[]) => ({
  factor: scaled ? rest[0] : undefined,
  gate: gated ? rest[rest.length - 1] : undefined,
});

const adamWOp: Op<
  StepAttributes,
  [
    parameter: Tensor,
    first: Tensor,
    second: Tensor,
    corrections: Tensor,
    gradient: Tensor,
    rate: Tensor,
    ...rest: Tensor[],
  ],
  []
> = {
  name: 'adamW',
  mutates: [0, 1, 2],
  outputs: () => [],
  kernels: ({ inputs: [parameter, first, second, corrections, gradient, rate, ...rest], attributes }) => {
    const { factor, gate } = optional(attributes, rest);
    return [
      {
        shader: 'adamw',
        constants: {
          SCALED: attributes.scaled,
          GATED: attributes.gated,
        },
        uniforms: {
          EPSILON: float(attributes.epsilon),
          WEIGHT_DECAY: float(attributes.weightDecay),
          ...moments(attributes),
        },
        reads: {
          corrections: corrections,
          gradient: gradient,
          rate: rate,
          ...(factor && { factor }),
          ...(gate && { gate }),
        },
        writes: { parameter, first, second },
        elements: parameter.size,
      },
    ];
  },
  reference: ({ attributes }, [parameter, first, second, corrections, gradient, rate, ...rest]) => {
    const { beta1, beta2, epsilon, weightDecay } = attributes;
    const { factor, gate } = optional(attributes, rest);
    if (gate?.[0] === 0) return [parameter, first, second];
    const g = gradient.map((value) => value * (factor?.[0] ?? 1));
    const m = first.map((value, i) => beta1 * value + (1 - beta1) * g[i]!);
    const v = second.map((value, i) => beta2 * value + (1 - beta2) * g[i]! ** 2);
    const [c1, c2] = [corrections[0], corrections[1]];
    const p = parameter.map((value, i) => {
      const step = m[i]! / c1! / (Math.sqrt(v[i]! / c2!) + epsilon);
      return value - rate[0]! * (weightDecay * value + step);
    });
    return [p, m, v];
  },
};

/**
 * AdamW with decoupled weight decay, as PyTorch's:
 *
 *     m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g²
 *     p = p - rate * weightDecay * p - rate * m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + epsilon)
 *
 * Both moments and the two corrections `1 - beta^t` live on the device, so that a planned step can be replayed; a saved
 * checkpoint must contain all of them.
 *
 * @param rate the learning rate, shape `[1]`: data, so that a schedule can change it between steps
 */
export function adamW(
  parameters: readonly Tensor[],
  gradients: readonly Tensor[],
  rate: Tensor,
  options: AdamWOptions = {},
): Optimiser {
  const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay = 0.01, decays, factor, gate } = options;
  const zeros = ({ size, shape, label }: Tensor, name: string) =>
    variable(new Float32Array(size), shape, `${label}.${name}`);
  const corrections = variable(new Float32Array(2), [2], 'adamW.corrections');
  const state = [corrections];
  const last = gate ? [gate] : [];
  const updates = [record(correctOp, [corrections, ...last], { beta1, beta2 })];
  const shared = { beta1, beta2, epsilon, scaled: factor !== undefined, gated: gate !== undefined };
  parameters.forEach((parameter, i) => {
    const moments = [zeros(parameter, 'first'), zeros(parameter, 'second')] as const;
    const optional = [...(factor ? [factor] : []), ...last];
    const decay = decays && !decays(parameter) ? 0 : weightDecay;
    state.push(...moments);
    updates.push(
      record(adamWOp, [parameter, ...moments, corrections, gradients[i]!, rate, ...optional], {
        ...shared,
        weightDecay: decay,
      }),
    );
  });
  return { updates, state };
}

/** Calls for the checks of kernels and shaders. */
export const adamWExamples = examples(() => {
  const parameters = [[5, 7], [7]].map((shape) => variable(undefined, shape));
  const gradients = [frozen(5, 7), frozen(7)];
  const [rate, factor] = [frozen(1), frozen(1)];
  const steps = [
    adamW(parameters, gradients, rate, { factor }),
    adamW(parameters, gradients, rate, { factor, gate: rate }),
    adamW(parameters, gradients, rate, { decays: () => false }),
  ];
  return [
    updating(
      'adamW',
      steps.flatMap(({ updates }) => updates),
    ),
  ];
});
