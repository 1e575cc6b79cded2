/**
 * The mean difference of two tensors: mean |a - b| (with derivative 0 where they are equal), or mean (a - b)².
 */

import { float, WORKGROUP } from '../graph/dispatch.js';
import { call, type Op, record } from '../graph/op.js';
import { sameShape, type Tensor } from '../graph/tensor.js';
import { example, examples, frozen } from './example.js';
import { rowPerWorkgroup, sumOf } from './rows.js';
import { misfit } from './shape.js';

interface Attributes {
  readonly squared: boolean;
}

/** Workgroups that share the sum: enough to fill a GPU, few enough for a single workgroup to finish it. */
const MAX_GROUPS = 256;
const groupsOf = (size: number): number => Math.min(MAX_GROUPS, Math.ceil(size / WORKGROUP));

const op: Op<Attributes, [a: Tensor, b: Tensor], [loss: Tensor, terms: Tensor]> = {
  name: 'meanDifference',
  outputs: ([a, b]) => {
    if (!sameShape(a.shape, b.shape)) misfit('meanDifference', [a, b], 'the shapes must be equal');
    return [{ shape: [1] }, { shape: [groupsOf(a.size)], scratch: true }];
  },
  kernels: ({ inputs: [a, b], outputs: [loss, terms], attributes: { squared } }) => {
    const rows = groupsOf(a.size);
    return [
      {
        shader: 'mean_difference',
        entry: 'terms_of',
        ...rowPerWorkgroup({ rows, width: 1 }, { SQUARED: squared, GRADIENT: false }),
        uniforms: { SIZE: a.size, GROUPS: rows, SCALE: float(1 / a.size) },
        reads: { a, b },
        writes: { terms },
      },
      sumOf(terms, loss),
    ];
  },
  gradient: ({ inputs: [a, b], attributes }, [dy], [wantA, wantB]) => {
    const [da, db] = record(gradientOp, [a, b, dy!], attributes).outputs;
    return [wantA ? da : undefined, wantB ? db : undefined];
  },
  reference: ({ attributes: { squared } }, [a, b]) => {
    const terms = new Float64Array(groupsOf(a.length));
    a.forEach((v, i) => {
      const difference = Math.abs(v - b[i]!);
      terms[Math.floor(i / WORKGROUP) % terms.length]! += difference ** (squared ? 2 : 1) / a.length;
    });
    return [Float64Array.of(terms.reduce((sum, v) => sum + v, 0)), terms];
  },
};

const gradientOp: Op<Attributes, [a: Tensor, b: Tensor, dy: Tensor], [da: Tensor, db: Tensor]> = {
  name: 'meanDifferenceGradient',
  outputs: ([a, b]) => [{ shape: a.shape }, { shape: b.shape }],
  kernels: (
    { inputs: [a, b, upstream], outputs: [da, db], attributes: { squared } },
    { used: [wantA, wantB] },
  ) => [
    {
      shader: 'mean_difference',
      entry: 'gradient',
      constants: {
        SQUARED: squared,
        GRADIENT: true,
        WANT_A: wantA,
        WANT_B: wantB,
      },
      uniforms: { SCALE: float(1 / a.size) },
      reads: { a, b, upstream },
      writes: { ...(wantA && { da }), ...(wantB && { db }) },
      elements: a.size,
    },
  ],
  reference: ({ attributes: { squared } }, [a, b, upstream]) => {
    const da = a.map((v, i) => {
      const difference = v - b[i]!;
      return (upstream[0]! * (squared ? 2 * difference : Math.sign(difference))) / a.length;
    });
    return [da, da.map((v) => -v)];
  },
};

/** mean |a - b| over all elements: two tensors of one shape -> `[1]`. */
export const l1Mean = (a: Tensor, b: Tensor): Tensor => call(op, [a, b], { squared: false });

/** mean (a - b)² over all elements: two tensors of one shape -> `[1]`. */
export const mseMean = (a: Tensor, b: Tensor): Tensor => call(op, [a, b], { squared: true });

/** Calls for the checks of kernels and shaders. */
export const meanDifferenceExamples = examples(() =>
  [l1Mean, mseMean].flatMap((mean) => [
    example(
      mean.name,
      [
        [3, 11],
        [3, 11],
      ],
      (a, b) => mean(a, b),
    ),
    example(`${mean.name} with one frozen`, [[3, 11]], (x) => mean(x, frozen(3, 11))),
  ]),
);
