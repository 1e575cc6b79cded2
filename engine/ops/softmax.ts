/** Softmax and log-softmax over the last axis; the largest element is subtracted first, so nothing overflows. */
import type { Capabilities } from '../capabilities.js';
import type { Extent, Operand, Shader } from '../graph/dispatch.js';
import { call, type Op } from '../graph/op.js';
import type { Tensor, Values } from '../graph/tensor.js';
import { example, examples } from './example.js';
import { reductionConstants, rowPerThread, rowPerWorkgroupOf } from './rows.js';
import { rowsOf } from './shape.js';

interface Attributes {
  readonly log: boolean;
}

/** log softmax of `width` values from `start` on, after division by `temperature`, in float64. */
export function logSoftmaxRow(x: Values, start: number, width: number, temperature = 1): Values {
  const row = x.slice(start, start + width).map((v) => v / temperature);
  const largest = row.reduce((a, b) => Math.max(a, b));
  const log = Math.log(row.reduce((sum, v) => sum + Math.exp(v - largest), 0));
  return row.map((v) => v - largest - log);
}

/** A launch over the rows of `x`, and how to bind tensors of its shape. */
function launch(
  x: Tensor,
  flags: Readonly<Record<string, boolean>>,
  capabilities: Capabilities,
): { common: Shader & Extent; as: (t: Tensor) => Operand } {
  const { width } = rowsOf(x.shape);
  const perThread = rowPerThread(x, capabilities, flags, [1, 4, 2, 4][width % 4]);
  return {
    common: {
      shader: 'softmax',
      entry: perThread ? 'row_per_thread' : 'row_per_workgroup',
      ...(perThread ?? rowPerWorkgroupOf(x, { ...flags, ...reductionConstants(width, capabilities) })),
    },
    as: (tensor) => (perThread ? { tensor, as: 'vec4' } : tensor),
  };
}

const op: Op<Attributes, [x: Tensor], [y: Tensor]> = {
  name: 'softmax',
  outputs: ([x]) => [{ shape: x.shape }],
  kernels: ({ inputs: [x], outputs: [y], attributes: { log } }, { capabilities }) => {
    const { common, as } = launch(x, { LOG: log, GRADIENT: false }, capabilities);
    return [{ ...common, reads: { x: as(x) }, writes: { y: as(y) } }];
  },
  gradient: ({ outputs: [y], attributes }, [dy]) => [call(gradientOp, [y, dy], attributes)],
  reference: ({ inputs, attributes: { log } }, [x]) => {
    const { rows, width } = rowsOf(inputs[0].shape);
    const y = new Float64Array(x.length);
    for (let r = 0; r < rows; r++) {
      const row = logSoftmaxRow(x, r * width, width);
      y.set(log ? row : row.map(Math.exp), r * width);
    }
    return [y];
  },
};

const gradientOp: Op<Attributes, [y: Tensor, dy: Tensor], [dx: Tensor]> = {
  name: 'softmaxGradient',
  outputs: ([y]) => [{ shape: y.shape }],
  kernels: ({ inputs: [y, dy], outputs: [dx], attributes: { log } }, { capabilities }) => {
    const { common, as } = launch(y, { LOG: log, GRADIENT: true }, capabilities);
    return [{ ...common, reads: { y: as(y), dy: as(dy) }, writes: { dx: as(dx) } }];
  },
  reference: ({ inputs, attributes: { log } }, [y, dy]) => {
    const { rows, width } = rowsOf(inputs[0].shape);
    const dx = new Float64Array(y.length);
    for (let start = 0; start < rows * width; start += width) {
      let sum = 0;
      for (let i = start; i < start + width; i++) sum += dy[i]! * (log ? 1 : y[i]!);
      for (let i = start; i < start + width; i++)
        dx[i] = log ? dy[i]! - Math.exp(y[i]!) * sum : y[i]! * (dy[i]! - sum);
    }
    return [dx];
  },
};

/** exp(x) / sum(exp(x)) over the last axis. */
export const softmax = (x: Tensor): Tensor => call(op, [x], { log: false });

/** log(softmax(x)) over the last axis, without underflow. */
export const logSoftmax = (x: Tensor): Tensor => call(op, [x], { log: true });

/** Calls for the checks of kernels and shaders. */
export const softmaxExamples = examples(() => [
  example('softmax', [[3, 67]], (x) => softmax(x)),
  example('logSoftmax', [[3, 67]], (x) => logSoftmax(x)),
]);
