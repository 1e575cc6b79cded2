/** y = x / |x| over the last axis, without an epsilon, as CLIP scales its features. A row of zeros gives NaN. */
import { call, type Op } from '../graph/op.js';
import { sameShape, type Tensor } from '../graph/tensor.js';
import { example, examples } from './example.js';
import { HELD, rowPerWorkgroupOf } from './rows.js';
import { misfit, rowsOf } from './shape.js';

const op: Op<null, [x: Tensor], [y: Tensor]> = {
  name: 'l2Normalize',
  outputs: ([x]) => [{ shape: x.shape }],
  kernels: ({ inputs: [x], outputs: [y] }) => [
    {
      shader: 'l2_normalize',
      entry: 'forward',
      ...rowPerWorkgroupOf(x, { GRADIENT: false }),
      reads: { x },
      writes: { y },
    },
  ],
  gradient: ({ inputs: [x] }, [dy]) => [call(gradientOp, [x, dy], null)],
  reference: ({ inputs }, [x]) => {
    const { width } = rowsOf(inputs[0].shape);
    const y = new Float64Array(x.length);
    for (let start = 0; start < y.length; start += width) {
      const row = x.subarray(start, start + width);
      const length = Math.sqrt(row.reduce((sum, v) => sum + v * v, 0));
      y.set(
        row.map((v) => v / length),
        start,
      );
    }
    return [y];
  },
};

const gradientOp: Op<null, [x: Tensor, dy: Tensor], [dx: Tensor]> = {
  name: 'l2NormalizeGradient',
  outputs: ([x, dy]) => {
    if (!sameShape(x.shape, dy.shape)) misfit('l2NormalizeGradient', [x, dy], 'the shapes must be equal');
    return [{ shape: x.shape }];
  },
  kernels: ({ inputs: [x, dy], outputs: [dx] }) => [
    {
      shader: 'l2_normalize',
      entry: 'gradient',
      ...rowPerWorkgroupOf(x, { GRADIENT: true }),
      reads: { x, dy },
      writes: { dx },
    },
  ],
  reference: ({ inputs }, [x, dy]) => {
    const { width } = rowsOf(inputs[0].shape);
    return [
      dy.map((g, i) => {
        const start = i - (i % width);
        let squares = 0;
        let product = 0;
        for (let j = start; j < start + width; j++) {
          squares += x[j]! ** 2;
          product += x[j]! * dy[j]!;
        }
        return (g - (x[i]! * product) / squares) / Math.sqrt(squares);
      }),
    ];
  },
};

/** Rows of `x` `[..., width]` scaled to Euclidean length 1. */
export const l2Normalize = (x: Tensor): Tensor => call(op, [x], null);

/** Calls for the checks of kernels and shaders. */
export const l2NormalizeExamples = examples(() => [
  example('l2Normalize', [[3, 67]], (x) => l2Normalize(x)),
  ...HELD.map((held) => 4 * (64 * held - 1)).map((width) =>
    example(`l2Normalize of ${width}`, [[3, width]], (x) => l2Normalize(x)),
  ),
]);
