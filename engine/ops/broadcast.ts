/** Repeats [outer, inner] along a middle axis: the backward pass of a sum. */
import { call, type Op } from '../graph/op.js';
import type { Shape, Tensor } from '../graph/tensor.js';
import { examples, frozen, withoutGradient } from './example.js';

interface Attributes {
  readonly outer: number;
  readonly reduced: number;
  readonly inner: number;
  readonly shape: Shape;
}

const op: Op<Attributes, [x: Tensor], [y: Tensor]> = {
  name: 'broadcast',
  outputs: (_, { shape }) => [{ shape }],
  kernels: ({ inputs: [x], outputs: [y], attributes: { reduced, inner } }) => [
    {
      shader: 'broadcast',
      constants: {},
      uniforms: { REDUCED: reduced, INNER: inner },
      reads: { x },
      writes: { y },
      elements: y.size,
    },
  ],
  reference: ({ attributes: { outer, reduced, inner } }, [x]) => {
    const y = new Float64Array(outer * reduced * inner);
    for (let i = 0; i < y.length; i++) y[i] = x[Math.floor(i / (reduced * inner)) * inner + (i % inner)]!;
    return [y];
  },
};

/** `x` `[outer, inner]` repeated to `[outer, reduced, inner]`, under `shape`. */
export const broadcastTo = (x: Tensor, shape: Shape, axes: Omit<Attributes, 'shape'>): Tensor =>
  call(op, [x], { outer: axes.outer, reduced: axes.reduced, inner: axes.inner, shape });

/** Calls for the checks of kernels and shaders. */
export const broadcastExamples = examples(() => [
  withoutGradient('broadcast', broadcastTo(frozen(3, 7), [3, 5, 7], { outer: 3, reduced: 5, inner: 7 })),
]);
