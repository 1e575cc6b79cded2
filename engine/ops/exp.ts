/** y = e^x, element by element. Its derivative is y itself. */
import { call, type Op } from '../graph/op.js';
import type { Tensor } from '../graph/tensor.js';
import { example, examples } from './example.js';
import { multiply } from './multiply.js';

const op: Op<null, [x: Tensor], [y: Tensor]> = {
  name: 'exp',
  outputs: ([x]) => [{ shape: x.shape }],
  kernels: ({ inputs: [x], outputs: [y] }) => [
    {
      shader: 'exp',
      constants: {},
      reads: { x },
      writes: { y },
      elements: x.size,
    },
  ],
  gradient: ({ outputs: [y] }, [dy]) => [multiply(dy, y)],
  reference: (_, [x]) => [x.map(Math.exp)],
};

/** `e^x`, any shape; for example CLIP's logit scale, which is learned as its logarithm. */
export const exp = (x: Tensor): Tensor => call(op, [x], null);

/** Calls for the checks of kernels and shaders. */
export const expExamples = examples(() => [example('exp', [[3, 5]], (x) => exp(x))]);
