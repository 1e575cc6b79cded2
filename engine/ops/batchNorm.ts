/**
 * Batch normalisation of `[batch, n]` by column, as PyTorch's BatchNorm1d (docs/method.md 3.1): y = (x - mean) /
 * sqrt(variance + epsilon) * gamma + beta. Training normalises with the biased variance of the batch and stores the
 * unbiased one; evaluation uses the stored statistics.
 */
import { UserError } from '../errors.js';
import { type Constant, float } from '../graph/dispatch.js';
import { call, type GraphNode, type Op, record } from '../graph/op.js';
import { sameShape, type Tensor, type Values, variable } from '../graph/tensor.js';
import { example, examples } from './example.js';
import { misfit } from './shape.js';

/** What is added to a variance before its root is taken, as in PyTorch. */
export const BATCH_NORM_EPSILON = 1e-5;

interface Attributes {
  readonly epsilon: number;
}

function checkShapes(name: string, [x, ...columns]: readonly Tensor[]): void {
  if (x!.shape.length !== 2 || columns.some((c) => !sameShape(c.shape, [x!.shape[1]!])))
    misfit(name, [x, ...columns], 'x must be [batch, n], all others [n]');
}

const textOf = (x: Tensor, epsilon: number, constants: Record<string, Constant>) => ({
  shader: 'batch_norm',
  constants,
  uniforms: { ROWS: x.shape[0]!, WIDTH: x.shape[1]!, EPSILON: float(epsilon) },
});

function normalise([x, gamma, beta, mean, variance]: readonly Values[], epsilon: number): Values {
  const n = gamma!.length;
  return x!.map((v, i) => {
    const c = i % n;
    return ((v - mean![c]!) / Math.sqrt(variance![c]! + epsilon)) * gamma![c]! + beta![c]!;
  });
}

const op: Op<
  Attributes,
  [x: Tensor, gamma: Tensor, beta: Tensor],
  [y: Tensor, mean: Tensor, variance: Tensor]
> = {
  name: 'batchNorm',
  // Outputs 1 and 2 are the statistics of the batch; stored only when something reads them.
  outputs: ([x, ...columns]) => {
    checkShapes('batchNorm', [x, ...columns]);
    const [batch, n] = x.shape as [number, number];
    if (batch < 2)
      throw new UserError(`batchNorm: ${x} has a batch of 1`, 'train with at least 2 samples a batch');
    return [{ shape: [batch, n] }, { shape: [n] }, { shape: [n] }];
  },
  kernels: ({ inputs: [x, gamma, beta], outputs: [y, mean, variance], attributes }, { used }) => {
    const save = used[1] || used[2];
    return [
      {
        ...textOf(x, attributes.epsilon, { FORWARD: true, SAVE: save }),
        entry: 'forward',
        reads: { x, gamma, beta },
        writes: { y, ...(save && { mean, variance }) },
        elements: gamma.size,
      },
    ];
  },
  gradient: ({ inputs: [x, gamma], outputs: [, mean, variance], attributes }, [dy, ...others], wanted) => {
    if (!dy || others.some(Boolean)) throw new Error('batchNorm has no gradient through its statistics');
    const gradients = record(gradientOp, [x, gamma, mean, variance, dy], {
      ...attributes,
      batchStatistics: true,
    }).outputs;
    return wanted.map((want, i) => (want ? gradients[i] : undefined));
  },
  reference: ({ inputs, attributes: { epsilon } }, [x, gamma, beta]) => {
    const [batch, n] = inputs[0].shape as [number, number];
    const mean = new Float64Array(n);
    const variance = new Float64Array(n);
    for (let c = 0; c < n; c++) {
      const column = x.filter((_, i) => i % n === c);
      mean[c] = column.reduce((sum, v) => sum + v, 0) / batch;
      variance[c] = column.reduce((sum, v) => sum + (v - mean[c]!) ** 2, 0) / batch;
    }
    return [normalise([x, gamma, beta, mean, variance], epsilon), mean, variance];
  },
};

const evalOp: Op<
  Attributes,
  [x: Tensor, gamma: Tensor, beta: Tensor, mean: Tensor, variance: Tensor],
  [y: Tensor]
> = {
  name: 'batchNormEval',
  outputs: ([x, ...columns]) => {
    checkShapes('batchNormEval', [x, ...columns]);
    return [{ shape: x.shape }];
  },
  kernels: ({ inputs: [x, gamma, beta, mean, variance], outputs: [y], attributes: { epsilon } }) => [
    {
      ...textOf(x, epsilon, { EVALUATE: true }),
      entry: 'evaluate',
      reads: { x, gamma, beta, mean, variance },
      writes: { y },
      elements: x.size,
    },
  ],
  gradient: ({ inputs: [x, gamma, , mean, variance], attributes }, [dy], wanted) => {
    if (wanted[3] || wanted[4])
      throw new Error('batchNormEval has no gradient with respect to the running statistics');
    const gradients = record(gradientOp, [x, gamma, mean, variance, dy], {
      ...attributes,
      batchStatistics: false,
    }).outputs;
    return wanted.map((want, i) => (want ? gradients[i] : undefined));
  },
  reference: ({ attributes: { epsilon } }, inputs) => [normalise(inputs, epsilon)],
};

/** Gradients for x, gamma and beta. */
const gradientOp: Op<
  Attributes & { readonly batchStatistics: boolean },
  [x: Tensor, gamma: Tensor, mean: Tensor, variance: Tensor, dy: Tensor],
  [dx: Tensor, dgamma: Tensor, dbeta: Tensor]
> = {
  name: 'batchNormGradient',
  outputs: ([x, gamma]) => [{ shape: x.shape }, { shape: gamma.shape }, { shape: gamma.shape }],
  kernels: (
    {
      inputs: [x, gamma, mean, variance, dy],
      outputs: [dx, dgamma, dbeta],
      attributes: { epsilon, batchStatistics },
    },
    { used: [wantX, wantGamma, wantBeta] },
  ) => [
    {
      ...textOf(x, epsilon, {
        GRADIENT: true,
        BATCH_STATISTICS: batchStatistics,
        WANT_X: wantX,
        WANT_GAMMA: wantGamma,
        WANT_BETA: wantBeta,
      }),
      entry: 'gradient',
      reads: { x, gamma, mean, variance, dy },
      writes: { ...(wantX && { dx }), ...(wantGamma && { dgamma }), ...(wantBeta && { dbeta }) },
      elements: gamma.size,
    },
  ],
  reference: ({ inputs, attributes: { epsilon, batchStatistics } }, [x, gamma, mean, variance, dy]) => {
    const [batch, n] = inputs[0].shape as [number, number];
    const dgamma = new Float64Array(n);
    const dbeta = new Float64Array(n);
    const rstd = variance.map((v) => 1 / Math.sqrt(v + epsilon));
    const xhat = x.map((v, i) => (v - mean[i % n]!) * rstd[i % n]!);
    dy.forEach((g, i) => {
      dgamma[i % n]! += g * xhat[i]!;
      dbeta[i % n]! += g;
    });
    const dx = dy.map((g, i) => {
      const c = i % n;
      const shared = batchStatistics ? (dbeta[c]! + xhat[i]! * dgamma[c]!) / batch : 0;
      return gamma[c]! * rstd[c]! * (g - shared);
    });
    // As the kernel does: the mean of dx over the batch is exactly 0 with batch statistics.
    if (batchStatistics) {
      const rest = new Float64Array(n);
      dx.forEach((value, i) => {
        rest[i % n]! += value / batch;
      });
      dx.forEach((value, i) => {
        dx[i] = value - rest[i % n]!;
      });
    }
    return [dx, dgamma, dbeta];
  },
};

interface RunningAttributes {
  readonly momentum: number;
  readonly count: number;
}

const runningOp: Op<
  RunningAttributes,
  [runningMean: Tensor, runningVariance: Tensor, mean: Tensor, variance: Tensor],
  []
> = {
  name: 'updateRunningStatistics',
  mutates: [0, 1],
  outputs: (inputs, { count }) => {
    if (inputs.some((t) => t.shape.length !== 1 || t.size !== inputs[0].size))
      misfit('updateRunningStatistics', inputs, 'all must be [n]');
    if (count < 2)
      throw new UserError(
        `updateRunningStatistics: a batch of ${count} has no unbiased variance`,
        'use at least 2',
      );
    return [];
  },
  kernels: ({ inputs: [runningMean, runningVariance, mean, variance], attributes: { momentum, count } }) => [
    {
      shader: 'batch_norm',
      entry: 'running',
      constants: { RUNNING: true },
      uniforms: { MOMENTUM: float(momentum), UNBIAS: float(count / (count - 1)) },
      reads: { mean, variance },
      writes: { running_mean: runningMean, running_variance: runningVariance },
      elements: runningMean.size,
    },
  ],
  reference: ({ attributes: { momentum, count } }, [runningMean, runningVariance, mean, variance]) => [
    runningMean.map((v, i) => (1 - momentum) * v + momentum * mean[i]!),
    runningVariance.map((v, i) => (1 - momentum) * v + (momentum * variance[i]! * count) / (count - 1)),
  ],
};

/** Training: `x` `[batch, n]`, batch above 1, `gamma` and `beta` `[n]`; also the batch's mean and biased variance `[n]`. */
export function batchNorm(
  x: Tensor,
  gamma: Tensor,
  beta: Tensor,
  epsilon = BATCH_NORM_EPSILON,
): { y: Tensor; mean: Tensor; variance: Tensor } {
  const [y, mean, variance] = record(op, [x, gamma, beta], { epsilon }).outputs;
  return { y, mean, variance };
}

/** Evaluation: `x` `[batch, n]` with the running statistics `[n]`, which get no gradient. */
export const batchNormEval = (
  x: Tensor,
  gamma: Tensor,
  beta: Tensor,
  runningMean: Tensor,
  runningVariance: Tensor,
  epsilon = BATCH_NORM_EPSILON,
): Tensor => call(evalOp, [x, gamma, beta, runningMean, runningVariance], { epsilon });

/**
 * The update `running = (1 - momentum) * running + momentum * batch` of both variables, with the batch's biased
 * `variance` made unbiased.
 *
 * @param options the momentum, and `count`: samples in the batch
 */
export const updateRunningStatistics = (
  runningMean: Tensor,
  runningVariance: Tensor,
  mean: Tensor,
  variance: Tensor,
  { momentum = 0.1, count }: { momentum?: number; count: number },
): GraphNode => record(runningOp, [runningMean, runningVariance, mean, variance], { momentum, count });

/** Calls for the checks of kernels and shaders. */
export const batchNormExamples = examples(() => {
  const statistics = [7, 7].map((n) => variable(undefined, [n]));
  const evaluation = example('batchNormEval', [[3, 7], [7], [7]], (x, gamma, beta) =>
    batchNormEval(x, gamma, beta, statistics[0]!, statistics[1]!),
  );
  const parameters = [[5, 7], [7], [7]].map((shape) => variable(undefined, shape));
  const [x, gamma, beta] = parameters;
  const { y, mean, variance } = batchNorm(x!, gamma!, beta!);
  const [runningMean, runningVariance] = [7, 7].map((n) => variable(undefined, [n]));
  const update = updateRunningStatistics(runningMean!, runningVariance!, mean, variance, { count: 5 });
  return [evaluation, { name: 'batchNorm', output: y, parameters, updates: [update] }];
});
