/**
 * One small call of every operation, in every variant that makes another shader, for checks that compile shaders
 * without running them. An operation that is missing here is compiled by no such check.
 */

import type { GraphNode } from '../graph/op.js';
import { constant, type Shape, type Tensor, variable } from '../graph/tensor.js';
import { adamW } from '../train/adamW.js';
import { clipFactor } from '../train/clipGradients.js';
import { scaledGrad } from '../train/lossScale.js';
import { largestMagnitude } from '../train/magnitude.js';
import { accumulate, clampVariable, clear, sgd } from '../train/optim.js';
import { activation } from './activation.js';
import { add } from './add.js';
import { attention } from './attention.js';
import { batchNorm, batchNormEval, updateRunningStatistics } from './batchNorm.js';
import { cast } from './cast.js';
import { crossEntropy } from './crossEntropy.js';
import { exp } from './exp.js';
import { embedding, gatherRows } from './gatherRows.js';
import { klSoftmax } from './klSoftmax.js';
import { l2Normalize } from './l2Normalize.js';
import { layerNorm } from './layerNorm.js';
import { linear } from './linear.js';
import { matmul } from './matmul.js';
import { l1Mean, mseMean } from './meanDifference.js';
import { multiply } from './multiply.js';
import { patchEmbedding } from './patches.js';
import { sum, sumLast, sumLeading } from './reduce.js';
import { logSoftmax, softmax } from './softmax.js';
import { insertTokens, replaceTokens } from './tokens.js';
import { transpose } from './transpose.js';

export interface OperationCall {
  readonly name: string;
  readonly output: Tensor;
  /** Sum of the output: gradients of it reach every parameter. */
  readonly loss: Tensor;
  readonly parameters: readonly Tensor[];
  readonly updates?: readonly GraphNode[];
}

function make(name: string, shapes: readonly Shape[], build: (...inputs: Tensor[]) => Tensor): OperationCall {
  const parameters = shapes.map((shape, i) => variable(undefined, shape, `${name}.${i}`));
  const output = build(...parameters);
  return { name, output, loss: sum(output), parameters };
}

const indices = (values: readonly number[], shape: Shape) =>
  constant(Int32Array.from(values), shape, 'indices');

/** Records every operation on odd and on vector-friendly shapes. */
export function everyOperation(): OperationCall[] {
  const calls: OperationCall[] = [
    make('add', [[3, 5, 7], [7]], (a, b) => add(a!, b!)),
    make(
      'multiply',
      [
        [3, 5, 7],
        [5, 7],
      ],
      (a, b) => multiply(a!, b!),
    ),
    make('multiply by a scalar', [[3, 5], [1]], (a, b) => multiply(a!, b!)),
    make('exp', [[3, 5]], (x) => exp(x!)),
    make('transpose', [[2, 3, 5]], (x) => transpose(x!)),
    make('sumLast', [[3, 5, 7]], (x) => sumLast(x!)),
    make('sumLeading', [[3, 5, 7]], (x) => sumLeading(x!, [7])),
    make('softmax', [[3, 67]], (x) => softmax(x!)),
    make('logSoftmax', [[3, 67]], (x) => logSoftmax(x!)),
    make('l2Normalize', [[3, 67]], (x) => l2Normalize(x!)),
    make('layerNorm', [[3, 67], [67], [67]], (x, gamma, beta) => layerNorm(x!, gamma!, beta!)),
    make('crossEntropy', [[3, 11]], (x) => crossEntropy(x!, indices([0, 10, 4], [3]))),
    make(
      'klSoftmax',
      [
        [3, 11],
        [3, 11],
      ],
      (a, b) => klSoftmax(a!, b!, 2),
    ),
    make(
      'l1Mean',
      [
        [3, 11],
        [3, 11],
      ],
      (a, b) => l1Mean(a!, b!),
    ),
    make(
      'mseMean',
      [
        [3, 11],
        [3, 11],
      ],
      (a, b) => mseMean(a!, b!),
    ),
    make('gatherRows', [[5, 7]], (x) => gatherRows(x!, indices([4, 0, 4], [3]))),
    make('embedding', [[5, 7]], (table) => embedding(table!, indices([1, 2, 3, 4], [2, 2]))),
    make('batchNormEval', [[3, 7], [7], [7]], (x, gamma, beta) =>
      batchNormEval(x!, gamma!, beta!, variable(undefined, [7]), variable(undefined, [7])),
    ),
  ];
  for (const width of [8, 7])
    calls.push(
      make(
        `insertTokens ${width}`,
        [
          [2, 5, width],
          [3, width],
        ],
        (x, rows) => insertTokens(x!, 1, rows!),
      ),
      make(
        `replaceTokens ${width}`,
        [
          [2, 5, width],
          [3, width],
        ],
        (x, rows) => replaceTokens(x!, 1, rows!),
      ),
    );
  for (const causal of [false, true])
    for (const tokens of [1, 9])
      calls.push(
        make(`attention ${tokens} ${causal}`, [[2, tokens, 384]], (x) => attention(x!, { heads: 2, causal })),
      );
  for (const patch of [4, 3])
    calls.push(
      make(
        `patchEmbedding ${patch}`,
        [
          [2, 3, 2 * patch, 2 * patch],
          [8, 3, patch, patch],
        ],
        (images, weight) => patchEmbedding(images!, weight!),
      ),
    );
  for (const transposeA of [false, true])
    for (const transposeB of [false, true])
      for (const [m, n, k] of [
        [5, 7, 9],
        [33, 36, 40],
      ] as const)
        calls.push(
          make(
            `matmul ${m} ${transposeA} ${transposeB}`,
            [transposeA ? [2, k, m] : [2, m, k], transposeB ? [2, n, k] : [2, k, n]],
            (a, b) => matmul(a!, b!, { transposeA, transposeB }),
          ),
        );
  for (const kind of [undefined, 'quickGelu', 'gelu', 'relu'] as const) {
    calls.push(
      make(`linear ${kind}`, [[5, 12], [8, 12], [8]], (x, w, b) => linear(x!, w!, b!, { activation: kind })),
      make(
        `linear without bias ${kind}`,
        [
          [5, 9],
          [7, 9],
        ],
        (x, w) => linear(x!, w!, undefined, { activation: kind }),
      ),
    );
    if (kind) calls.push(make(`activation ${kind}`, [[3, 7]], (x) => activation(x!, kind)));
  }
  return [
    ...calls,
    ...asInEncoders(),
    ...inHalf(),
    trainingBatchNorm(),
    ...[8, 7].map(scaled),
    clippedStep(),
    accumulatedStep(),
    ...[8, 7].map(watched),
  ];
}

/** Vectors a lane of a workgroup that kernels of rows hold (ops/rows.ts), up to rows of 4096 elements. */
const HELD = [1, 2, 4, 8, 16];

/**
 * What encoders and losses are made of, as they call it: four elements at a time, rows as wide as theirs, a gradient that goes
 * round a LayerNorm, one of two inputs frozen.
 */
function asInEncoders(): OperationCall[] {
  const frozen = (...shape: number[]) => constant(undefined, shape, 'frozen');
  const calls = [
    make('add vectors', [[3, 8]], (x) => add(x!, frozen(3, 8))),
    make('add one number', [[1]], (x) => add(x!, frozen(1))),
    make('gatherRows by vectors', [[5, 8]], (x) => gatherRows(x!, indices([4, 0, 4], [3]))),
    make('activation relu by vectors', [[3, 8]], (x) => activation(x!, 'relu')),
    make('sum of many', [[300]], (x) => sum(x!)),
    make('l1Mean with one frozen', [[3, 11]], (x) => l1Mean(x!, frozen(3, 11))),
    make('mseMean with one frozen', [[3, 11]], (x) => mseMean(x!, frozen(3, 11))),
  ];
  for (const held of HELD) {
    const classes = 64 * held - 1;
    const width = 4 * classes;
    calls.push(
      make(`klSoftmax of ${classes}`, [[3, classes]], (x) => klSoftmax(frozen(3, classes), x!, 2)),
      make(`l2Normalize of ${width}`, [[3, width]], (x) => l2Normalize(x!)),
    );
    for (const dtype of ['f32', 'f16'] as const) {
      const normal = (x: Tensor) => cast(layerNorm(x, frozen(width), frozen(width), 1e-5, dtype), 'f32');
      calls.push(
        make(`layerNorm of ${width} in ${dtype}`, [[3, width]], (x) => normal(x!)),
        make(`layerNorm of ${width} in ${dtype} beside a residual`, [[3, width]], (x) => add(x!, normal(x!))),
      );
    }
  }
  return calls;
}

/** What takes float16, with float16 inputs and results. */
function inHalf(): OperationCall[] {
  const half = (x: Tensor) => cast(x, 'f16');
  const dtype = 'f16';
  const calls = [
    make('cast', [[3, 8]], (x) => cast(half(x!), 'f32')),
    make('layerNorm in float16', [[3, 8], [8], [8]], (x, gamma, beta) =>
      cast(layerNorm(x!, gamma!, beta!, 1e-5, dtype), 'f32'),
    ),
    make('gatherRows in float16', [[3, 8]], (x) =>
      cast(gatherRows(half(x!), indices([2, 0, 2], [3])), 'f32'),
    ),
    make('attention in float16', [[2, 5, 192]], (x) =>
      cast(attention(half(x!), { heads: 1, causal: true }), 'f32'),
    ),
  ];
  for (const kind of ['quickGelu', 'gelu', 'relu'] as const)
    calls.push(
      make(`activation ${kind} in float16`, [[3, 8]], (x) => cast(activation(half(x!), kind), 'f32')),
      make(`linear ${kind} in float16`, [[5, 12], [8, 12], [8]], (x, w, b) =>
        cast(linear(half(x!), half(w!), b!, { activation: kind, dtype }), 'f32'),
      ),
    );
  for (const transposeA of [false, true])
    for (const transposeB of [false, true])
      calls.push(
        make(
          `matmul ${transposeA} ${transposeB} in float16`,
          [transposeA ? [2, 40, 32] : [2, 32, 40], transposeB ? [2, 36, 40] : [2, 40, 36]],
          (a, b) => cast(matmul(half(a!), half(b!), { transposeA, transposeB, dtype }), 'f32'),
        ),
      );
  return calls;
}

/** A step under a loss scale, whose gradients may be checked in vectors or not. */
function scaled(width: number): OperationCall {
  const x = variable(undefined, [3, width], 'scaled');
  const loss = sum(x);
  const { gradients, finite, update } = scaledGrad(loss, [x]);
  const rate = constant(undefined, [1], 'rate');
  const { updates } = sgd([x], gradients, rate, { momentum: 0.9, weightDecay: 0 }, finite);
  return { name: 'scaledGrad', output: finite, loss, parameters: [x], updates: [...updates, update] };
}

/** A look at parameters after a step, in vectors or not. */
function watched(width: number): OperationCall {
  const x = variable(undefined, [3, width], 'watched');
  const loss = sum(x);
  return {
    name: 'largestMagnitude',
    output: loss,
    loss,
    parameters: [x],
    updates: [largestMagnitude([x]).update],
  };
}

/** Gradients that are added up over batches. */
function accumulatedStep(): OperationCall {
  const [x, total] = [variable(undefined, [7]), variable(undefined, [7])];
  const loss = sum(x);
  const updates = [accumulate(total, x, constant(undefined, [1], 'share')), clear(total)];
  return { name: 'accumulate', output: loss, loss, parameters: [x], updates };
}

/** BatchNorm in training with its running statistics, and an optimiser's step on its parameters. */
function trainingBatchNorm(): OperationCall {
  const [x, gamma, beta, mean, variance] = [[5, 7], [7], [7], [7], [7]].map((shape) =>
    variable(undefined, shape),
  );
  const normal = batchNorm(x!, gamma!, beta!);
  const loss = sum(normal.y);
  const rate = constant(undefined, [1], 'rate');
  const { updates } = sgd([gamma!], [normal.mean], rate, { momentum: 0.9, weightDecay: 0 });
  return {
    name: 'batchNorm',
    output: normal.y,
    loss,
    parameters: [x!, gamma!, beta!],
    updates: [
      ...updates,
      updateRunningStatistics(mean!, variance!, normal.mean, normal.variance, { count: 5 }),
    ],
  };
}

/** Steps of AdamW with clipped gradients, with a gate as well, and with neither; and a clamped parameter. */
function clippedStep(): OperationCall {
  const parameters = [[5, 7], [7]].map((shape) => variable(undefined, shape));
  const product = multiply(parameters[0]!, parameters[1]!);
  const loss = sum(product);
  const rate = constant(undefined, [1], 'rate');
  const gradients = parameters.map(({ shape }) => constant(undefined, shape));
  const clipped = adamW(parameters, gradients, rate, { factor: clipFactor(gradients, 1) });
  const gated = adamW(parameters, gradients, rate, { factor: clipFactor(gradients, 1), gate: rate });
  const plain = adamW(parameters, gradients, rate, { decays: () => false });
  const updates = [...clipped.updates, ...gated.updates, ...plain.updates, clampVariable(parameters[0]!, 1)];
  return { name: 'adamW', output: product, loss, parameters, updates };
}
