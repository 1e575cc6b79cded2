/** Another shape for the same memory, at no cost. */
import { call, type Op } from '../graph/op.js';
import { type Shape, sizeOf, type Tensor } from '../graph/tensor.js';
import { example, examples } from './example.js';
import { misfit } from './shape.js';

const op: Op<{ shape: Shape }, [x: Tensor], [y: Tensor]> = {
  name: 'reshape',
  outputs: ([x], { shape }) => {
    if (sizeOf(shape) !== x.size) misfit('reshape', [x], `[${shape.join(', ')}] has another size`);
    return [{ shape, dtype: x.dtype }];
  },
  gradient: ({ inputs: [x] }, [dy]) => [reshape(dy, x.shape)],
  reference: (_, [x]) => [x],
};

/** `x` with its elements in the same row-major order under `shape`. */
export const reshape = (x: Tensor, shape: Shape): Tensor => call(op, [x], { shape });

/** Calls for the checks of kernels and shaders. */
export const reshapeExamples = examples(() => [example('reshape', [[3, 5]], (x) => reshape(x, [5, 3]))]);
