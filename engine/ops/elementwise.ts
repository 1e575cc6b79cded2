/** Launches of shaders/elementwise/elementwise.wgsl. */
import { type Dispatch, vectors } from '../graph/dispatch.js';
import type { Tensor } from '../graph/tensor.js';

/** `y = a ENTRY b`, where `b` is repeated along the leading axes of `a`, or is one number. */
export function elementwise(entry: 'add' | 'multiply', a: Tensor, b: Tensor, y: Tensor): Dispatch {
  const scalar = b.size === 1;
  const { lanes, VECTOR, as } = vectors(a.size, scalar ? a.size : b.size);
  return {
    shader: 'elementwise',
    entry,
    constants: { B_SCALAR: scalar, VECTOR },
    uniforms: { B_SIZE: scalar ? 1 : b.size / lanes },
    reads: { a: as(a), b: scalar ? b : as(b) },
    writes: { y: as(y) },
    elements: a.size / lanes,
  };
}
