/** Softmax and log-softmax over the last axis; the largest element is subtracted first, so nothing overflows. */
import { call, type Op, type Values } from '../op.js';
import type { Tensor } from '../tensor.js';
import { overRowsOf } from './rows.js';
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

const op: Op<Attributes> = {
  name: 'softmax',
  outputs: ([x]) => [{ shape: x!.shape }],
  kernels: ({ inputs: [x], outputs: [y], attributes: { log } }) => [
    {
      shader: 'softmax',
      entry: 'forward',
      ...overRowsOf(x!, { LOG: log, GRADIENT: false }),
      reads: { x: x! },
      writes: { y: y! },
    },
  ],
  gradient: ({ outputs: [y], attributes }, [dy]) => [call(gradientOp, [y!, dy!], attributes)],
  reference: ({ inputs, attributes: { log } }, [x]) => {
    const { rows, width } = rowsOf(inputs[0]!.shape);
    const y = new Float64Array(x!.length);
    for (let r = 0; r < rows; r++) {
      const row = logSoftmaxRow(x!, r * width, width);
      y.set(log ? row : row.map(Math.exp), r * width);
    }
    return [y];
  },
};

const gradientOp: Op<Attributes> = {
  name: 'softmaxGradient',
  outputs: ([y]) => [{ shape: y!.shape }],
  kernels: ({ inputs: [y, dy], outputs: [dx], attributes: { log } }) => [
    {
      shader: 'softmax',
      entry: 'gradient',
      ...overRowsOf(y!, { LOG: log, GRADIENT: true }),
      reads: { y: y!, dy: dy! },
      writes: { dx: dx! },
    },
  ],
  reference: ({ inputs, attributes: { log } }, [y, dy]) => {
    const { rows, width } = rowsOf(inputs[0]!.shape);
    const dx = new Float64Array(y!.length);
    for (let start = 0; start < rows * width; start += width) {
      let sum = 0;
      for (let i = start; i < start + width; i++) sum += dy![i]! * (log ? 1 : y![i]!);
      for (let i = start; i < start + width; i++)
        dx[i] = log ? dy![i]! - Math.exp(y![i]!) * sum : y![i]! * (dy![i]! - sum);
    }
    return [dx];
  },
};

/** exp(x) / sum of exp(x) over the last axis. */
export const softmax = (x: Tensor): Tensor => call(op, [x], { log: false });

/** log of `softmax`, without its underflow. */
export const logSoftmax = (x: Tensor): Tensor => call(op, [x], { log: true });
