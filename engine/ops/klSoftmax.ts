/**
 * The distillation loss: KL(softmax(teacher / T) || softmax(student / T)), times T^2, divided by batch * classes (not
 * by the batch alone: docs/method.md 3.3).
 */
import { UserError } from '../errors.js';
import { float } from '../graph/dispatch.js';
import { call, type Op } from '../graph/op.js';
import { sameShape, type Tensor, type Values } from '../graph/tensor.js';
import { example, examples, frozen } from './example.js';
import { multiply } from './multiply.js';
import { HELD, reductionConstants, rowPerWorkgroupOf, sumOf } from './rows.js';
import { misfit } from './shape.js';
import { logSoftmaxRow } from './softmax.js';

interface Attributes {
  readonly temperature: number;
}

/** Visits the rows: both log-softmaxes and the KL divergence of each. */
function eachRow(
  [teacher, student]: readonly Values[],
  width: number,
  temperature: number,
  visit: (row: number, lt: Values, ls: Values, kl: number) => void,
): void {
  for (let r = 0; r * width < teacher!.length; r++) {
    const lt = logSoftmaxRow(teacher!, r * width, width, temperature);
    const ls = logSoftmaxRow(student!, r * width, width, temperature);
    const kl = lt.reduce((sum, l, i) => sum + (Math.exp(l) === 0 ? 0 : Math.exp(l) * (l - ls[i]!)), 0);
    visit(r, lt, ls, kl);
  }
}

const op: Op<
  Attributes,
  [teacher: Tensor, student: Tensor],
  [loss: Tensor, terms: Tensor, dteacher: Tensor, dstudent: Tensor]
> = {
  name: 'klSoftmax',
  outputs: ([teacher, student], { temperature }) => {
    if (teacher.shape.length !== 2 || !sameShape(teacher.shape, student.shape))
      misfit('klSoftmax', [teacher, student], 'both must be [batch, classes]');
    if (!(temperature > 0))
      throw new UserError(`klSoftmax: temperature ${temperature}`, 'give a temperature above 0');
    // Outputs 2 and 3 are the gradients for an upstream gradient of 1; stored only when they are read.
    return [
      { shape: [1] },
      { shape: [teacher.shape[0]!], scratch: true },
      { shape: teacher.shape },
      { shape: teacher.shape },
    ];
  },
  kernels: (
    { inputs: [teacher, student], outputs: [loss, terms, dteacher, dstudent], attributes: { temperature } },
    { used: [, , wantTeacher, wantStudent], capabilities },
  ) => [
    {
      shader: 'kl_softmax',
      ...rowPerWorkgroupOf(
        teacher,
        {
          TEACHER: wantTeacher,
          STUDENT: wantStudent,
          ...reductionConstants(teacher.shape[1]!, capabilities),
        },
        { TEMPERATURE: float(temperature), SCALE: float(temperature ** 2 / teacher.size) },
      ),
      reads: { teacher, student },
      writes: { terms, ...(wantTeacher && { dteacher }), ...(wantStudent && { dstudent }) },
    },
    sumOf(terms, loss),
  ],
  gradient: ({ outputs: [, , dTeacher, dStudent] }, [dy, ...others], wanted) => {
    if (!dy || others.some(Boolean)) throw new Error('klSoftmax has no gradient through its gradients');
    return [dTeacher, dStudent].map((unscaled, i) =>
      wanted[i] ? (isOne(dy) ? unscaled : multiply(unscaled, dy)) : undefined,
    );
  },
  reference: ({ inputs: [teacher], attributes: { temperature } }, values) => {
    const [rows, width] = teacher.shape as [number, number];
    const terms = new Float64Array(rows);
    const dTeacher = new Float64Array(rows * width);
    const dStudent = new Float64Array(rows * width);
    const factor = temperature / (rows * width);
    eachRow(values, width, temperature, (r, lt, ls, kl) => {
      terms[r] = temperature * factor * kl;
      for (let i = 0; i < width; i++) {
        const p = Math.exp(lt[i]!);
        dStudent[r * width + i] = factor * (Math.exp(ls[i]!) - p);
        dTeacher[r * width + i] = p === 0 ? 0 : factor * p * (lt[i]! - ls[i]! - kl);
      }
    });
    return [Float64Array.of(terms.reduce((sum, v) => sum + v, 0)), terms, dTeacher, dStudent];
  },
};

/** Whether a tensor is the constant 1, with which the backward pass starts. */
const isOne = ({ leaf, size }: Tensor): boolean =>
  leaf?.kind === 'constant' && size === 1 && leaf.data?.[0] === 1;

/**
 * `T^2 * sum of p (log p - log q) / (batch * classes)` with p = softmax(teacher / T), q = softmax(student / T): logits
 * `[batch, classes]` -> `[1]`.
 */
export const klSoftmax = (teacher: Tensor, student: Tensor, temperature: number): Tensor =>
  call(op, [teacher, student], { temperature });

/** Calls for the checks of kernels and shaders. */
export const klSoftmaxExamples = examples(() => [
  example(
    'klSoftmax',
    [
      [3, 11],
      [3, 11],
    ],
    (teacher, student) => klSoftmax(teacher, student, 2),
  ),
  ...HELD.map((held) => 64 * held - 1).map((classes) =>
    example(`klSoftmax of ${classes}`, [[3, classes]], (x) => klSoftmax(frozen(3, classes), x, 2)),
  ),
]);
