import { describe, expect, it } from 'vitest';
import { UserError } from '../../../engine/errors.js';
import { evaluate } from '../../../engine/graph/reference.js';
import { constant, type Tensor, variable } from '../../../engine/graph/tensor.js';
import { recordingOrder } from '../../../engine/graph/traverse.js';
import { klSoftmax } from '../../../engine/ops/klSoftmax.js';
import { multiply } from '../../../engine/ops/multiply.js';
import { grad } from '../../../engine/train/autograd.js';
import { checkForward, checkGradient, kernelWays, TestRandom } from '../../helpers/check.js';

const sizes = [
  [1, 2],
  [2, 3],
  [3, 7],
  [7, 63],
  [65, 64],
  [4, 65],
  [3, 257],
  [2, 1000],
] as const;

describe('klSoftmax', () => {
  it('by hand: direction, temperature and the division by batch * classes', () => {
    // Temperature 2 makes of the first row p = (1/4, 3/4), q = (1/2, 1/2): KL = log 2 + p . log p; the second row is 0.
    const teacher = constant(Float32Array.of(0, 2 * Math.log(3), 1, 2), [2, 2]);
    const student = constant(Float32Array.of(5, 5, 3, 4), [2, 2]);
    const loss = klSoftmax(teacher, student, 2);
    const kl = Math.log(2) + 0.25 * Math.log(0.25) + 0.75 * Math.log(0.75);
    expect(evaluate([loss]).get(loss)![0]).toBeCloseTo((4 * kl) / (2 * 2), 6);
  });

  it('agrees with the reference at every size, with logits up to 100', async () => {
    const random = new TestRandom(61);
    await checkForward(
      sizes.flatMap(([b, c], i) =>
        [2, 100].map((scale) => {
          const [t, s] = [
            random.variable([b, c], 'teacher', scale),
            random.variable([b, c], 'student', scale),
          ];
          return klSoftmax(t, s, [1, 2.5, 0.5][i % 3]!);
        }),
      ),
    );
  });

  for (const [way, capabilities] of kernelWays)
    it(`gives loss and gradients together on ${way}`, async () => {
      const random = new TestRandom(65);
      // Rows that stay in registers (up to 1024) and one that does not.
      for (const [b, c] of [...sizes, [2, 1024], [2, 1025]] as const) {
        const [teacher, student] = [
          random.variable([b, c], 'teacher', 3),
          random.variable([b, c], 'student', 3),
        ];
        const loss = klSoftmax(teacher, student, 1.5);
        await checkForward([loss, ...grad(loss, [teacher, student])], { capabilities });
      }
    });

  it('needs no kernel for the gradient of the loss itself, and one that scales for others', async () => {
    const random = new TestRandom(66);
    const [teacher, student] = [random.variable([3, 7], 'teacher', 3), random.variable([3, 7], 'student', 3)];
    const loss = klSoftmax(teacher, student, 2);
    const scaled = multiply(loss, constant(Float32Array.of(3), [1]));
    const [plain, times3] = [grad(loss, [student]), grad(scaled, [student])];
    const names = (tensors: Tensor[]) => recordingOrder(tensors).map((node) => node.op.name);
    expect(names(plain)).toEqual(['klSoftmax']);
    expect(names(times3)).toEqual(['klSoftmax', 'multiply', 'multiply']);
    await checkForward([...plain, ...times3]);
    const values = evaluate([...plain, ...times3]);
    expect([...values.get(times3[0]!)!]).toEqual([...values.get(plain[0]!)!].map((v) => 3 * v));
  });

  it('has the right gradients for student and teacher', async () => {
    const random = new TestRandom(62);
    for (const [b, c] of [
      [1, 2],
      [3, 7],
      [2, 65],
    ] as const) {
      const [teacher, student] = [
        random.variable([b, c], 'teacher', 3),
        random.variable([b, c], 'student', 3),
      ];
      await checkGradient(klSoftmax(teacher, student, 1), [student]);
      await checkGradient(klSoftmax(teacher, student, 2.5), [student, teacher]);
      await checkGradient(klSoftmax(teacher, student, 0.5), [teacher]);
    }
    const [teacher, student] = [
      random.variable([3, 257], 'teacher', 30),
      random.variable([3, 257], 'student', 30),
    ];
    await checkForward(grad(klSoftmax(teacher, student, 1), [teacher, student]), { tolerance: 1e-4 });
  });

  it('is 0 with zero gradients where both agree', async () => {
    const x = new TestRandom(63).variable([5, 67], 'x', 50);
    const y = variable(x.leaf!.data as Float32Array, x.shape);
    const loss = klSoftmax(x, y, 1);
    expect(evaluate([loss]).get(loss)![0]).toBe(0);
    await checkForward([loss, ...grad(loss, [x, y])]);
  });

  it('counts a class that the teacher excludes as 0, and stays finite', async () => {
    const teacher = variable(Float32Array.of(0, -1e4, 1e4, 0, -1e4, -1e4), [2, 3], 'teacher');
    const student = variable(Float32Array.of(-1e4, 1e4, 0, 1e4, 0, -1e4), [2, 3], 'student');
    const loss = klSoftmax(teacher, student, 1);
    await checkForward([loss, ...grad(loss, [teacher, student])]);
    expect(evaluate([loss]).get(loss)![0]).toBeCloseTo(1e4 / 6, 6);
  });

  it('refuses shapes that differ and temperatures that mean nothing', () => {
    const random = new TestRandom(64);
    const x = random.variable([3, 5]);
    expect(() => klSoftmax(x, random.variable([5, 3]), 1)).toThrow(UserError);
    expect(() => klSoftmax(random.variable([5]), random.variable([5]), 1)).toThrow(UserError);
    for (const t of [0, -1, Number.NaN]) expect(() => klSoftmax(x, x, t)).toThrow(UserError);
  });
});
