/** Mean absolute difference: mean |a - b|, with slope 0 where they are equal. */
import { call, float, grid, type Op, record, WORKGROUP } from '../op.js';
import { sameShape, type Tensor } from '../tensor.js';
import { overRows, sumOf } from './rows.js';
import { misfit } from './shape.js';

/** Workgroups that share the sum: enough to fill a GPU, few enough for one more workgroup to add up. */
const MAX_GROUPS = 256;
const groupsOf = (size: number): number => Math.min(MAX_GROUPS, Math.ceil(size / WORKGROUP));

const op: Op<null> = {
  name: 'l1Mean',
  outputs: ([a, b]) => {
    if (!sameShape(a!.shape, b!.shape)) misfit('l1Mean', [a, b], 'the shapes must be equal');
    return [{ shape: [1] }, { shape: [groupsOf(a!.size)], scratch: true }];
  },
  kernels: ({ inputs: [a, b], outputs: [loss, terms] }) => {
    const rows = groupsOf(a!.size);
    return [
      {
        shader: 'l1_mean',
        entry: 'terms_of',
        ...overRows(
          { rows, width: 1 },
          { SIZE: a!.size, GROUPS: rows, SCALE: float(1 / a!.size), GRADIENT: false },
        ),
        reads: { a: a!, b: b! },
        writes: { terms: terms! },
      },
      sumOf(terms!, loss!),
    ];
  },
  gradient: ({ inputs: [a, b] }, [dy], [wantA, wantB]) => {
    const [da, db] = record(gradientOp, [a!, b!, dy!], null).outputs;
    return [wantA ? da : undefined, wantB ? db : undefined];
  },
  reference: (_, [a, b]) => {
    const terms = new Float64Array(groupsOf(a!.length));
    a!.forEach((v, i) => {
      terms[Math.floor(i / WORKGROUP) % terms.length]! += Math.abs(v - b![i]!) / a!.length;
    });
    return [Float64Array.of(terms.reduce((sum, v) => sum + v, 0)), terms];
  },
};

const gradientOp: Op<null> = {
  name: 'l1MeanGradient',
  outputs: ([a, b]) => [{ shape: a!.shape }, { shape: b!.shape }],
  kernels: ({ inputs: [a, b, upstream], outputs: [da, db] }, { used: [wantA, wantB] }) => [
    {
      shader: 'l1_mean',
      entry: 'gradient',
      constants: {
        SIZE: a!.size,
        SCALE: float(1 / a!.size),
        GRADIENT: true,
        WANT_A: wantA!,
        WANT_B: wantB!,
      },
      reads: { a: a!, b: b!, upstream: upstream! },
      writes: { ...(wantA && { da }), ...(wantB && { db }) },
      workgroups: grid(a!.size),
    },
  ],
  reference: (_, [a, b, upstream]) => {
    const da = a!.map((v, i) => (upstream![0]! * Math.sign(v - b![i]!)) / a!.length);
    return [da, da.map((v) => -v)];
  },
};

/** mean |a - b| over all elements: two tensors of one shape -> `[1]`. */
export const l1Mean = (a: Tensor, b: Tensor): Tensor => call(op, [a, b], null);
