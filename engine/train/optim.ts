/** Optimisers as graph updates, and learning-rate schedules. */
import { float } from '../graph/dispatch.js';
import { type GraphNode, type Op, record } from '../graph/op.js';
import { scalar, type Tensor, variable } from '../graph/tensor.js';
import { examples, frozen, updating } from '../ops/example.js';

/** Options of `sgd`. */
export interface SgdOptions {
  readonly momentum: number;
  readonly weightDecay: number;
}

const sgdOp: Op<
  SgdOptions,
  [parameter: Tensor, velocity: Tensor, gradient: Tensor, rate: Tensor, ...gate: Tensor[]],
  []
> = {
  name: 'sgd',
  mutates: [0, 1],
  outputs: () => [],
  kernels: ({
    inputs: [parameter, velocity, gradient, rate, gate],
    attributes: { momentum, weightDecay },
  }) => [
    {
      shader: 'sgd',
      constants: { GATED: gate !== undefined },
      uniforms: { MOMENTUM: float(momentum), WEIGHT_DECAY: float(weightDecay) },
      reads: { gradient, rate, ...(gate && { gate }) },
      writes: { parameter, velocity },
      elements: parameter.size,
    },
  ],
  reference: ({ attributes: { momentum, weightDecay } }, [parameter, velocity, gradient, rate, gate]) => {
    if (gate?.[0] === 0) return [parameter, velocity];
    // As in PyTorch, a NaN parameter does not reach the momentum without weight decay.
    const decay = (p: number) => (weightDecay === 0 ? 0 : weightDecay * p);
    const next = velocity.map((v, i) => momentum * v + gradient[i]! + decay(parameter[i]!));
    return [parameter.map((p, i) => p - rate[0]! * next[i]!), next];
  },
};

/** The updates of one optimiser, and its state, which a saved checkpoint must contain. */
export interface Optimiser {
  readonly updates: readonly GraphNode[];
  readonly state: readonly Tensor[];
}

/**
 * Stochastic gradient descent as PyTorch's `torch.optim.SGD` (dampening 0, no Nesterov):
 * `d = gradient + weightDecay * p; v = momentum * v + d; p = p - rate * v`, with v = 0 before the first step, which
 * equals PyTorch's v = d on it.
 *
 * @param rate the learning rate, shape `[1]`: data, so that a schedule can change it between steps
 * @param gate shape `[1]`: where it is 0 the step changes nothing
 */
export function sgd(
  parameters: readonly Tensor[],
  gradients: readonly Tensor[],
  rate: Tensor,
  { momentum, weightDecay }: SgdOptions,
  gate?: Tensor,
): Optimiser {
  const state = parameters.map((p) => variable(new Float32Array(p.size), p.shape, `${p.label}.momentum`));
  const updates = parameters.map((p, i) =>
    record(sgdOp, [p, state[i]!, gradients[i]!, rate, ...(gate ? [gate] : [])], {
      momentum,
      weightDecay,
    }),
  );
  return { updates, state };
}

const accumulateOp: Op<null, [total: Tensor, x: Tensor, weight: Tensor], []> = {
  name: 'accumulate',
  mutates: [0],
  outputs: () => [],
  kernels: ({ inputs: [total, x, weight] }) => [
    {
      shader: 'accumulate',
      constants: {},
      reads: { x, weight },
      writes: { total },
      elements: total.size,
    },
  ],
  reference: (_, [total, x, weight]) => [total.map((t, i) => t + weight[0]! * x[i]!)],
};

/** The update `total += weight * x`; `weight` has shape `[1]`. */
export const accumulate = (total: Tensor, x: Tensor, weight: Tensor): GraphNode =>
  record(accumulateOp, [total, x, weight], null);

const clampOp: Op<{ readonly largest: number }, [x: Tensor], []> = {
  name: 'clampVariable',
  mutates: [0],
  outputs: () => [],
  kernels: ({ inputs: [x], attributes: { largest } }) => [
    {
      shader: 'clamp',
      constants: {},
      uniforms: { LARGEST: float(largest) },
      reads: {},
      writes: { x },
      elements: x.size,
    },
  ],
  reference: ({ attributes: { largest } }, [x]) => [x.map((value) => Math.min(value, largest))],
};

/** The update `x = min(x, largest)`, for a parameter that must not grow further; record it after the optimiser's. */
export const clampVariable = (x: Tensor, largest: number): GraphNode => record(clampOp, [x], { largest });

const clearOp: Op<null, [total: Tensor], []> = {
  name: 'clear',
  mutates: [0],
  outputs: () => [],
  kernels: ({ inputs: [total] }) => [
    {
      shader: 'clear',
      constants: {},
      reads: {},
      writes: { total },
      elements: total.size,
    },
  ],
  reference: (_, [total]) => [total.map(() => 0)],
};

/** The update `total = 0`. */
export const clear = (total: Tensor): GraphNode => record(clearOp, [total], null);

/** Gradients of several batches, accumulated on the device until an optimiser uses them. */
export interface GradientTotals {
  /** Means over the batches since they were cleared, one a parameter. */
  readonly totals: readonly Tensor[];
  /** Updates to run after each batch. */
  readonly adds: readonly GraphNode[];
}

/**
 * Gradient accumulation: `batches` batches count as one that holds them all (but for BatchNorm, whose statistics stay those of
 * each batch). After the optimiser's step the totals must be cleared, by updates that are recorded after it.
 *
 * @param gradients of a mean over the samples of one batch
 */
export function accumulated(
  parameters: readonly Tensor[],
  gradients: readonly Tensor[],
  batches: number,
): GradientTotals {
  const share = scalar(1 / batches, 'share of a batch');
  const totals = parameters.map((p) =>
    variable(new Float32Array(p.size), p.shape, `${p.label}.gradient total`),
  );
  return { totals, adds: totals.map((total, i) => accumulate(total, gradients[i]!, share)) };
}

/** Settings of `cosineRate`; epochs count from 1. */
export interface CosineSchedule {
  readonly rate: number;
  readonly epochs: number;
  readonly warmupEpochs: number;
  readonly warmupRate: number;
}

/**
 * Learning rate of `epoch` (counted from 1): constant during the warm-up, then a cosine that starts at its full value
 * in the first epoch after it and is stretched over all epochs, so that it never reaches 0
 * (Dassl's ConstantWarmupScheduler over CosineAnnealingLR; docs/method.md 3.5).
 */
export function cosineRate(
  { rate, epochs, warmupEpochs, warmupRate }: CosineSchedule,
  epoch: number,
): number {
  if (epoch <= warmupEpochs) return warmupRate;
  return 0.5 * rate * (1 + Math.cos((Math.PI * (epoch - 1 - warmupEpochs)) / epochs));
}

/** Calls for the checks of kernels and shaders. */
export const optimExamples = examples(() => {
  const [x, total] = [variable(undefined, [7]), variable(undefined, [7])];
  const options = { momentum: 0.9, weightDecay: 0 };
  return [
    updating('sgd', sgd([x], [frozen(7)], frozen(1), options).updates),
    updating('sgd under a gate', sgd([x], [frozen(7)], frozen(1), options, frozen(1)).updates),
    updating('accumulate', [accumulate(total, x, frozen(1)), clear(total)]),
    updating('clampVariable', [clampVariable(x, 1)]),
  ];
});
