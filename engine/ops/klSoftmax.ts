/**
 * The distillation loss: KL(softmax(teacher / T) || softmax(student / T)), times T^2, divided by batch * classes (not
 * by the batch alone: spec 3.3).
 */
import { UserError } from '../errors.js';
import { call, float, type Op, record, type Values } from '../op.js';
import { sameShape, type Tensor } from '../tensor.js';
import { overRowsOf, sumOf } from './rows.js';
import { misfit } from './shape.js';
import { logSoftmaxRow } from './softmax.js';

interface Attributes {
  readonly temperature: number;
}

const constantsOf = (teacher: Tensor, { temperature }: Attributes) => ({
  TEMPERATURE: float(temperature),
  SCALE: float(temperature ** 2 / teacher.size),
});

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
    const kl = lt.reduce((sum, l, i) => sum + (Math.exp(l) > 0 ? Math.exp(l) * (l - ls[i]!) : 0), 0);
    visit(r, lt, ls, kl);
  }
}

const op: Op<Attributes> = {
  name: 'klSoftmax',
  outputs: ([teacher, student], { temperature }) => {
    if (teacher!.shape.length !== 2 || !sameShape(teacher!.shape, student!.shape))
      misfit('klSoftmax', [teacher, student], 'both must be [batch, classes]');
    if (!(temperature > 0))
      throw new UserError(`klSoftmax: temperature ${temperature}`, 'give a temperature above 0');
    return [{ shape: [1] }, { shape: [teacher!.shape[0]!], scratch: true }];
  },
  kernels: ({ inputs: [teacher, student], outputs: [loss, terms], attributes }) => [
    {
      shader: 'kl_softmax',
      ...overRowsOf(teacher!, { ...constantsOf(teacher!, attributes), GRADIENT: false, NEEDS_KL: true }),
      reads: { teacher: teacher!, student: student! },
      writes: { terms: terms! },
    },
    sumOf(terms!, loss!),
  ],
  gradient: ({ inputs: [teacher, student], attributes }, [dy], [wantTeacher, wantStudent]) => {
    const [dTeacher, dStudent] = record(gradientOp, [teacher!, student!, dy!], attributes).outputs;
    return [wantTeacher ? dTeacher : undefined, wantStudent ? dStudent : undefined];
  },
  reference: ({ inputs: [teacher], attributes: { temperature } }, values) => {
    const [rows, width] = teacher!.shape as [number, number];
    const terms = new Float64Array(rows);
    eachRow(values, width, temperature, (r, _lt, _ls, kl) => {
      terms[r] = (temperature ** 2 * kl) / (rows * width);
    });
    return [Float64Array.of(terms.reduce((sum, v) => sum + v, 0)), terms];
  },
};

const gradientOp: Op<Attributes> = {
  name: 'klSoftmaxGradient',
  outputs: ([teacher, student]) => [{ shape: teacher!.shape }, { shape: student!.shape }],
  kernels: (
    { inputs: [teacher, student, upstream], outputs: [dteacher, dstudent], attributes },
    { used: [wantTeacher, wantStudent] },
  ) => [
    {
      shader: 'kl_softmax',
      ...overRowsOf(teacher!, {
        ...constantsOf(teacher!, attributes),
        GRADIENT: true,
        NEEDS_KL: wantTeacher!,
        TEACHER: wantTeacher!,
        STUDENT: wantStudent!,
      }),
      reads: { teacher: teacher!, student: student!, upstream: upstream! },
      writes: { ...(wantTeacher && { dteacher }), ...(wantStudent && { dstudent }) },
    },
  ],
  reference: ({ inputs, attributes: { temperature } }, [teacher, student, upstream]) => {
    const [rows, width] = inputs[0]!.shape as [number, number];
    const dTeacher = new Float64Array(rows * width);
    const dStudent = new Float64Array(rows * width);
    const factor = (upstream![0]! * temperature) / (rows * width);
    eachRow([teacher!, student!], width, temperature, (r, lt, ls, kl) => {
      for (let i = 0; i < width; i++) {
        const p = Math.exp(lt[i]!);
        dStudent[r * width + i] = factor * (Math.exp(ls[i]!) - p);
        dTeacher[r * width + i] = p > 0 ? factor * p * (lt[i]! - ls[i]! - kl) : 0;
      }
    });
    return [dTeacher, dStudent];
  },
};

/**
 * `T^2 * sum of p (log p - log q) / (batch * classes)` with p = softmax(teacher / T), q = softmax(student / T): logits
 * `[batch, classes]` -> `[1]`.
 */
export const klSoftmax = (teacher: Tensor, student: Tensor, temperature: number): Tensor =>
  call(op, [teacher, student], { temperature });
