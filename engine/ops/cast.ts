/** The same values stored in another way: float32 to float16 rounds, the other way is exact. */
import { call, type Op } from '../graph/op.js';
import { checkHalfShape, type DType, type Tensor } from '../graph/tensor.js';
import { example, examples } from './example.js';
import { misfit } from './shape.js';

const op: Op<{ dtype: DType }, [x: Tensor], [y: Tensor]> = {
  name: 'cast',
  half: true,
  outputs: ([x], { dtype }) => {
    if (x.dtype === 'i32' || dtype === 'i32') misfit('cast', [x], 'both must be float16 or float32');
    checkHalfShape(x.shape, 'cast');
    return [{ shape: x.shape, dtype }];
  },
  kernels: ({ inputs: [x], outputs: [y] }) => [
    {
      shader: 'cast',
      constants: {},
      reads: { x: { tensor: x, as: 'vec4' } },
      writes: { y: { tensor: y, as: 'vec4' } },
      elements: x.size / 4,
    },
  ],
  gradient: ({ inputs: [x] }, [dy]) => [cast(dy, x.dtype)],
  reference: (_, [x]) => [x],
};

/** `x` stored as `dtype`; itself if it is already. */
export const cast = (x: Tensor, dtype: DType): Tensor => (x.dtype === dtype ? x : call(op, [x], { dtype }));

/** Calls for the checks of kernels and shaders. */
export const castExamples = examples(() => [example('cast', [[3, 8]], (x) => cast(cast(x, 'f16'), 'f32'))]);
