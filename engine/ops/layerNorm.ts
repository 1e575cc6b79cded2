/** Layer normalisation over the last axis: y = (x - mean) / sqrt(biased variance + epsilon) * gamma + beta. */
import { type Constant, type Extent, float, type Operand, type Shader, vectors } from '../graph/dispatch.js';
import { call, type KernelContext, type Op, record } from '../graph/op.js';
import { type DType, sameShape, type Tensor } from '../graph/tensor.js';
import { add, otherTerm } from './add.js';
import { cast } from './cast.js';
import { example, examples, frozen } from './example.js';
import { HELD, reductionConstants, rowPerThread, rowPerWorkgroupOf } from './rows.js';
import { misfit, rowsOf } from './shape.js';

interface Attributes {
  readonly epsilon: number;
  /** How the result is stored. */
  readonly dtype: DType;
}

/** A launch over the rows of `x`; `as` binds tensors of the same width. */
function launch(
  x: Tensor,
  { capabilities }: KernelContext,
  constants: Readonly<Record<string, Constant>>,
  epsilon = 0,
): { common: Shader & Extent; as: (t: Tensor) => Operand } {
  const { width } = rowsOf(x.shape);
  const { lanes, VECTOR, as } = vectors(width);
  const flags = { ...constants, VECTOR };
  const perThread = rowPerThread(x, capabilities, flags);
  const rows =
    perThread ?? rowPerWorkgroupOf(x, { ...flags, ...reductionConstants(width / lanes, capabilities) });
  return {
    common: {
      shader: 'layer_norm',
      entry: perThread ? 'row_per_thread' : 'row_per_workgroup',
      ...rows,
      uniforms: { ...rows.uniforms, STEPS: width / lanes, EPSILON: float(epsilon) },
    },
    as,
  };
}

type Outputs = [y: Tensor, mean: Tensor, rstd: Tensor];
const op: Op<Attributes, [x: Tensor, gamma: Tensor, beta: Tensor], Outputs> = {
  name: 'layerNorm',
  // Outputs 1 and 2 are the mean and 1 / deviation of each row; stored only when a gradient reads them.
  outputs: ([x, gamma, beta], { dtype }) => {
    const { rows, width } = rowsOf(x.shape);
    if (!sameShape(gamma.shape, [width]) || !sameShape(beta.shape, [width]))
      misfit('layerNorm', [x, gamma, beta], 'gamma and beta must be [size of the last axis]');
    return [{ shape: x.shape, dtype }, { shape: [rows] }, { shape: [rows] }];
  },
  kernels: ({ inputs: [x, gamma, beta], outputs: [y, mean, rstd], attributes: { epsilon } }, context) => {
    const save = context.used[1] || context.used[2];
    const { common, as } = launch(x, context, { SAVE: save }, epsilon);
    return [
      {
        ...common,
        reads: { x: as(x), gamma: as(gamma), beta: as(beta) },
        writes: { y: as(y), ...(save && { mean, rstd }) },
      },
    ];
  },
  gradient: (
    { inputs: [x, gamma], outputs: [, mean, rstd] },
    [dy, ...others],
    [wantX, ...wantParameters],
  ) => {
    if (!dy || others.some(Boolean))
      throw new Error('layerNorm has no gradient through its mean and deviation');
    const parameters = wantParameters.some(Boolean)
      ? record(parameterGradientOp, [x, mean, rstd, dy], null).outputs
      : [];
    return [
      wantX ? call(gradientOp, [x, gamma, mean, rstd, dy], null) : undefined,
      wantParameters[0] ? parameters[0] : undefined,
      wantParameters[1] ? parameters[1] : undefined,
    ];
  },
  reference: ({ inputs, attributes: { epsilon } }, [x, gamma, beta]) => {
    const { rows, width } = rowsOf(inputs[0].shape);
    const mean = new Float64Array(rows);
    const rstd = new Float64Array(rows);
    for (let r = 0; r < rows; r++) {
      const row = x.subarray(r * width, (r + 1) * width);
      mean[r] = row.reduce((sum, v) => sum + v, 0) / width;
      const variance = row.reduce((sum, v) => sum + (v - mean[r]!) ** 2, 0) / width;
      rstd[r] = 1 / Math.sqrt(variance + epsilon);
    }
    const y = x.map((v, i) => {
      const r = Math.floor(i / width);
      return (v - mean[r]!) * rstd[r]! * gamma[i % width]! + beta[i % width]!;
    });
    return [y, mean, rstd];
  },
};

const gradientOp: Op<
  null,
  [x: Tensor, gamma: Tensor, mean: Tensor, rstd: Tensor, dy: Tensor, ...residual: Tensor[]],
  [dx: Tensor]
> = {
  name: 'layerNormGradient',
  half: true,
  // Fuses the sum with the gradient of the residual connection, as a sixth input.
  absorb: ({ inputs, attributes }, consumer, tail) => {
    const residual = inputs.length === 5 ? otherTerm(consumer, tail) : undefined;
    return residual && { inputs: [...inputs, residual], attributes, outputs: [consumer.outputs[0]!] };
  },
  outputs: ([x]) => [{ shape: x.shape }],
  kernels: ({ inputs: [x, gamma, mean, rstd, dy, residual], outputs: [dx] }, context) => {
    const { common, as } = launch(x, context, { GRADIENT: true, RESIDUAL: residual !== undefined });
    return [
      {
        ...common,
        reads: {
          ...{ x: as(x), gamma: as(gamma), mean, rstd, dy: as(dy) },
          ...(residual && { residual: as(residual) }),
        },
        writes: { dx: as(dx) },
      },
    ];
  },
  reference: ({ inputs }, [x, gamma, mean, rstd, dy, residual]) => {
    const { rows, width } = rowsOf(inputs[0].shape);
    const dx = residual ? residual.slice() : new Float64Array(x.length);
    for (let r = 0; r < rows; r++) {
      const xhat = (i: number) => (x[r * width + i]! - mean[r]!) * rstd[r]!;
      const g = (i: number) => dy[r * width + i]! * gamma[i]!;
      let sum = 0;
      let product = 0;
      for (let i = 0; i < width; i++) {
        sum += g(i);
        product += g(i) * xhat(i);
      }
      for (let i = 0; i < width; i++)
        dx[r * width + i]! += rstd[r]! * (g(i) - sum / width - (xhat(i) * product) / width);
    }
    return [dx];
  },
};

/** Columns and rows of a workgroup that sums over rows, so that neighbouring threads read neighbouring values. */
const COLUMNS = 32;
const LINES = 8;

const parameterGradientOp: Op<
  null,
  [x: Tensor, mean: Tensor, rstd: Tensor, dy: Tensor],
  [dgamma: Tensor, dbeta: Tensor]
> = {
  name: 'layerNormParameterGradient',
  half: true,
  outputs: ([x]) => {
    const { width } = rowsOf(x.shape);
    return [{ shape: [width] }, { shape: [width] }];
  },
  kernels: ({ inputs: [x, mean, rstd, dy], outputs: [dgamma, dbeta] }) => {
    const { rows, width } = rowsOf(x.shape);
    return [
      {
        shader: 'layer_norm',
        entry: 'parameters',
        constants: { PARAMETERS: true, COLUMNS, LINES },
        uniforms: { ROWS: rows, WIDTH: width },
        reads: { x, mean, rstd, dy },
        writes: { dgamma, dbeta },
        workgroups: [Math.ceil(width / COLUMNS), 1, 1],
      },
    ];
  },
  reference: ({ inputs }, [x, mean, rstd, dy]) => {
    const { width } = rowsOf(inputs[0].shape);
    const dgamma = new Float64Array(width);
    const dbeta = new Float64Array(width);
    dy.forEach((g, i) => {
      const r = Math.floor(i / width);
      dgamma[i % width]! += g * (x[i]! - mean[r]!) * rstd[r]!;
      dbeta[i % width]! += g;
    });
    return [dgamma, dbeta];
  },
};

/**
 * `x` `[..., n]` normalised over its last axis, then scaled by `gamma` `[n]` and shifted by `beta` `[n]`; all of them
 * float32, the result as `dtype` says.
 */
export const layerNorm = (
  x: Tensor,
  gamma: Tensor,
  beta: Tensor,
  epsilon = 1e-5,
  dtype: DType = 'f32',
): Tensor => call(op, [x, gamma, beta], { epsilon, dtype });

/** Calls for the checks of kernels and shaders. */
export const layerNormExamples = examples(() => [
  example('layerNorm', [[3, 67], [67], [67]], (x, gamma, beta) => layerNorm(x, gamma, beta)),
  example('layerNorm in float16', [[3, 8], [8], [8]], (x, gamma, beta) =>
    cast(layerNorm(x, gamma, beta, 1e-5, 'f16'), 'f32'),
  ),
  // As encoders use it: wide rows, frozen parameters, and a residual connection.
  ...HELD.map((held) => 4 * (64 * held - 1)).flatMap((width) =>
    (['f32', 'f16'] as const).flatMap((dtype) => {
      const normal = (x: Tensor) => cast(layerNorm(x, frozen(width), frozen(width), 1e-5, dtype), 'f32');
      const name = `layerNorm of ${width} in ${dtype}`;
      return [
        example(name, [[3, width]], (x) => normal(x)),
        example(`${name} beside a residual`, [[3, width]], (x) => add(x, normal(x))),
      ];
    }),
  ),
]);
