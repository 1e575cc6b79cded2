/** y[b, j, i] = x[b, i, j]: the last two axes swapped. Products take transposed operands without this (matmul.ts). */
import { call, type Op } from '../graph/op.js';
import { sizeOf, type Tensor } from '../graph/tensor.js';
import { example, examples } from './example.js';
import { misfit } from './shape.js';

/** Leading axes as one, then rows and columns. */
const dims = ({ shape }: Tensor) => ({
  batch: sizeOf(shape.slice(0, -2)),
  rows: shape[shape.length - 2]!,
  columns: shape[shape.length - 1]!,
});

const op: Op<null, [x: Tensor], [y: Tensor]> = {
  name: 'transpose',
  outputs: ([x]) => {
    if (x.shape.length < 2) misfit('transpose', [x], 'at least two axes are needed');
    const { rows, columns } = dims(x);
    return [{ shape: [...x.shape.slice(0, -2), columns, rows] }];
  },
  kernels: ({ inputs: [x], outputs: [y] }) => {
    const { rows, columns } = dims(x);
    return [
      {
        shader: 'transpose',
        constants: {},
        uniforms: { ROWS: rows, COLUMNS: columns },
        reads: { x },
        writes: { y },
        elements: x.size,
      },
    ];
  },
  gradient: (_, [dy]) => [transpose(dy)],
  reference: ({ inputs }, [x]) => {
    const { batch, rows, columns } = dims(inputs[0]);
    const y = new Float64Array(x.length);
    for (let b = 0; b < batch; b++)
      for (let i = 0; i < rows; i++)
        for (let j = 0; j < columns; j++) y[(b * columns + j) * rows + i] = x[(b * rows + i) * columns + j]!;
    return [y];
  },
};

/** `x` `[..., rows, columns]` -> `[..., columns, rows]`. */
export const transpose = (x: Tensor): Tensor => call(op, [x], null);

/** Calls for the checks of kernels and shaders. */
export const transposeExamples = examples(() => [example('transpose', [[2, 3, 5]], (x) => transpose(x))]);
