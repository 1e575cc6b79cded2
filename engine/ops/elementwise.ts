/** Launches of shaders/elementwise.wgsl. */
import { type Dispatch, grid, type Operand } from '../op.js';
import type { Tensor } from '../tensor.js';

/** `y = a ENTRY b`, where `b` is repeated along the leading axes of `a`, or is one number. */
export function elementwise(entry: 'add' | 'multiply', a: Tensor, b: Tensor, y: Tensor): Dispatch {
  const scalar = b.size === 1;
  const lanes = a.size % 4 === 0 && (scalar || b.size % 4 === 0) ? 4 : 1;
  const as = (tensor: Tensor): Operand => (lanes === 4 ? { tensor, as: 'vec4' } : tensor);
  return {
    shader: 'elementwise',
    entry,
    constants: {
      SIZE: a.size / lanes,
      B_SIZE: scalar ? 1 : b.size / lanes,
      B_SCALAR: scalar,
      VECTOR: lanes === 4,
    },
    reads: { a: as(a), b: scalar ? b : as(b) },
    writes: { y: as(y) },
    workgroups: grid(a.size / lanes),
  };
}
