/**
 * Random graphs: what a plan computes, forward and backward, is what the float64 reference says, whether kernels are fused or
 * not and whether the backward pass recomputes or not, with tensors that share memory. fast-check prints the seed and the path
 * of a graph that fails, and the smallest one it finds; `PROMPTKD_FUZZ_SEED` and `PROMPTKD_FUZZ_RUNS` set them.
 */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type CompileOptions, Plan } from '../../engine/gpu/plan.js';
import { Schedule } from '../../engine/gpu/schedule.js';
import { evaluate } from '../../engine/graph/reference.js';
import { constant, type Shape, scalar, sizeOf, type Tensor, type Values } from '../../engine/graph/tensor.js';
import { memoryOf } from '../../engine/graph/traverse.js';
import { tensorOf } from '../../engine/kernels/kernelSource.js';
import { activation } from '../../engine/ops/activation.js';
import { add } from '../../engine/ops/add.js';
import { checkpoint } from '../../engine/ops/checkpoint.js';
import { crossEntropy } from '../../engine/ops/crossEntropy.js';
import { exp } from '../../engine/ops/exp.js';
import { gatherRows } from '../../engine/ops/gatherRows.js';
import { klSoftmax } from '../../engine/ops/klSoftmax.js';
import { l2Normalize } from '../../engine/ops/l2Normalize.js';
import { layerNorm } from '../../engine/ops/layerNorm.js';
import { linear } from '../../engine/ops/linear.js';
import { matmul } from '../../engine/ops/matmul.js';
import { mean } from '../../engine/ops/mean.js';
import { mseMean } from '../../engine/ops/meanDifference.js';
import { multiply } from '../../engine/ops/multiply.js';
import { sumLast, sumLeading } from '../../engine/ops/reduce.js';
import { reshape } from '../../engine/ops/reshape.js';
import { logSoftmax, softmax } from '../../engine/ops/softmax.js';
import { insertTokens, replaceTokens } from '../../engine/ops/tokens.js';
import { transpose } from '../../engine/ops/transpose.js';
import { grad } from '../../engine/train/autograd.js';
import { TestRandom, testGpu } from '../helpers/check.js';

const RUNS = Number(process.env.PROMPTKD_FUZZ_RUNS ?? 8);
const SEED = Number(process.env.PROMPTKD_FUZZ_SEED ?? 42);

/** 1, primes, and the edges of vectors and tiles with their neighbours. */
const SIZES = [1, 2, 3, 4, 5, 7, 8, 13, 16, 17, 31, 32, 33, 64, 65];
/** Rows that are narrower have so small a deviation or length now and then that rounding errors become large. */
const LEAST_NORMALISED = 5;

/** What a step of a program has: a tensor to go on from, new leaves, a size, and another tensor of the first one's shape. */
interface Context {
  readonly x: Tensor;
  readonly size: number;
  leaf(shape: Shape, scale?: number): Tensor;
  alike(): Tensor;
  indices(count: number, below: number): Tensor;
}

const widthOf = (x: Tensor) => x.shape.at(-1)!;
const asRows = (x: Tensor) => reshape(x, [x.size / widthOf(x), widthOf(x)]);
const asSequences = (x: Tensor) =>
  x.shape.length === 3 ? x : reshape(x, [1, x.size / widthOf(x), widthOf(x)]);

/** Each goes on from any tensor `[..., width]`. */
const STEPS: Readonly<Record<string, (context: Context) => Tensor>> = {
  addAlike: ({ x, alike }) => add(x, alike()),
  addBias: ({ x, leaf }) => add(x, leaf([widthOf(x)])),
  multiplyAlike: ({ x, alike }) => multiply(x, alike()),
  multiplyByScalar: ({ x, leaf }) => multiply(x, leaf([1])),
  linear: ({ x, leaf, size }) => linear(x, leaf([size, widthOf(x)], 0.3), leaf([size])),
  linearGelu: ({ x, leaf, size }) =>
    linear(x, leaf([size, widthOf(x)], 0.3), leaf([size]), { activation: 'gelu' }),
  residual: ({ x, leaf }) => {
    const up = leaf([8, widthOf(x)], 0.3);
    const inner = linear(checkpoint(x), up, undefined, { activation: 'quickGelu' });
    return add(x, linear(inner, leaf([widthOf(x), 8], 0.3)));
  },
  matmul: ({ x, leaf, size }) => matmul(asRows(x), leaf([widthOf(x), size], 0.3)),
  matmulWithItself: ({ x }) => multiply(matmul(asRows(x), asRows(x), { transposeB: true }), scalar(0.1)),
  activation: ({ x }) => activation(x, 'quickGelu'),
  softmax: ({ x }) => softmax(x),
  logSoftmax: ({ x }) => logSoftmax(x),
  exp: ({ x }) => exp(multiply(x, scalar(0.1))),
  layerNorm: ({ x, leaf }) =>
    widthOf(x) < LEAST_NORMALISED ? x : layerNorm(x, leaf([widthOf(x)]), leaf([widthOf(x)])),
  l2Normalize: ({ x }) => (widthOf(x) < LEAST_NORMALISED ? x : l2Normalize(x)),
  transpose: ({ x }) => transpose(asRows(x)),
  sumLast: ({ x }) => (x.shape.length > 1 ? sumLast(x) : x),
  sumLeading: ({ x }) => sumLeading(x, [widthOf(x)]),
  gatherRows: ({ x, indices, size }) => gatherRows(asRows(x), indices(size, x.size / widthOf(x))),
  insertTokens: ({ x, leaf }) => insertTokens(asSequences(x), 1, leaf([2, widthOf(x)])),
  replaceTokens: ({ x, leaf }) => replaceTokens(asSequences(x), 0, leaf([1, widthOf(x)])),
  checkpoint: ({ x }) => checkpoint(x),
};

/** Each makes a scalar of any tensor. */
const LOSSES: Readonly<Record<string, (context: Context) => Tensor>> = {
  weightedMean: ({ x, alike }) => mean(multiply(x, alike())),
  mse: ({ x, alike }) => mseMean(x, alike()),
  kl: ({ x, alike }) => klSoftmax(asRows(alike()), asRows(x), 2),
  crossEntropy: ({ x, indices }) => crossEntropy(asRows(x), indices(x.size / widthOf(x), widthOf(x))),
};

const program = fc.record({
  seed: fc.nat(),
  rows: fc.constantFrom(...SIZES),
  width: fc.constantFrom(...SIZES),
  steps: fc.array(
    fc.record({
      kind: fc.constantFrom(...Object.keys(STEPS)),
      from: fc.nat(9),
      with: fc.nat(9),
      size: fc.constantFrom(...SIZES),
    }),
    { minLength: 2, maxLength: 10 },
  ),
  loss: fc.constantFrom(...Object.keys(LOSSES)),
});

type Program = typeof program extends fc.Arbitrary<infer T> ? T : never;

/** Tensors beyond that make a run slow. */
const MOST_ELEMENTS = 8192;

/** The graph of a program: every tensor that it makes, what trains, and the loss. */
function build({ seed, rows, width, steps, loss }: Program) {
  const random = new TestRandom(seed);
  const first = random.variable([rows, width], 'x');
  const parameters = [first];
  const tensors: Tensor[] = [first];
  const contextOf = (x: Tensor, other: number, size: number): Context => {
    const leaf = (shape: Shape, scale = 1) => {
      const made = random.variable(shape, `parameter ${parameters.length}`, scale);
      parameters.push(made);
      return made;
    };
    return {
      x,
      size,
      leaf,
      alike: () => {
        const all = tensors.filter(({ shape }) => shape.join() === x.shape.join());
        return all[other % (all.length + 1)] ?? leaf(x.shape);
      },
      indices: (count, below) =>
        constant(
          Int32Array.from({ length: count }, () => Math.floor(((random.next() + 1) / 2) * below)),
          [count],
        ),
    };
  };
  for (const step of steps) {
    const x = tensors[tensors.length - 1 - (step.from % Math.min(3, tensors.length))]!;
    const y = STEPS[step.kind]!(contextOf(x, step.with, step.size));
    if (y.size <= MOST_ELEMENTS) tensors.push(y);
  }
  const end = LOSSES[loss]!(contextOf(tensors.at(-1)!, 1, 1));
  return { tensors, parameters, loss: end };
}

/** How far a result may be off: some roundings, as they act on the result when they happen to the leaves. */
function tolerances(outputs: readonly Tensor[], parameters: readonly Tensor[]) {
  const random = new TestRandom(1);
  const exact = evaluate(outputs);
  const moved = new Map(
    parameters.map((leaf) => [
      leaf,
      Float64Array.from(leaf.leaf!.data!, (value) => value * (1 + random.next() * 2 ** -22)),
    ]),
  );
  const shifted = evaluate(outputs, moved);
  return outputs.map((output) => {
    const [values, others] = [exact.get(output)!, shifted.get(output)!];
    const norm = lengthOf(values);
    return {
      values,
      most: 1e-5 * norm + 1e-6 * Math.sqrt(sizeOf(output.shape)) + 30 * distance(values, others),
    };
  });
}

const lengthOf = (x: Values) => Math.sqrt(x.reduce((sum, value) => sum + value * value, 0));
const distance = (a: Values, b: ArrayLike<number>) => lengthOf(a.map((value, i) => value - b[i]!));

/** Follows a schedule's launches: what is read is what was written there last, and outputs are left alone at the end. */
function expectSlotsInOrder(schedule: Schedule): void {
  const holds = new Map<unknown, Tensor>();
  const expectHeld = (tensor: Tensor) => {
    const owner = memoryOf(tensor);
    if (!owner.leaf)
      expect(holds.get(schedule.slotOf.get(owner)), `${tensor} is where it is read`).toBe(owner);
  };
  for (const { reads, writes } of schedule.dispatches) {
    for (const operand of Object.values(reads)) expectHeld(tensorOf(operand));
    for (const operand of Object.values(writes)) {
      const owner = memoryOf(tensorOf(operand));
      expect(schedule.slotOf.get(owner)!.bytes).toBeGreaterThanOrEqual(owner.bytes);
      holds.set(schedule.slotOf.get(owner), owner);
    }
  }
  for (const output of schedule.outputs) expectHeld(output);
}

it(`plans of random graphs compute what the reference does: ${RUNS} graphs`, {
  timeout: 7_200_000,
}, async () => {
  const gpu = await testGpu();
  await fc.assert(
    fc.asyncProperty(program, async (one) => {
      const { tensors, parameters, loss } = build(one);
      const reached = parameters.filter((parameter) => reaches(loss, parameter));
      const graphs = [false, true].map((recompute) => [
        loss,
        ...tensors.slice(1).filter((_, i) => i % 3 === 0),
        ...grad(loss, reached, { recompute }),
      ]);
      const expected = tolerances(graphs[0]!, parameters);
      const ways: [string, readonly Tensor[], CompileOptions][] = [
        ['fused', graphs[0]!, {}],
        ['in plain kernels', graphs[0]!, { fuse: false }],
        ['recomputed', graphs[1]!, {}],
      ];
      for (const [way, outputs, options] of ways) {
        expectSlotsInOrder(new Schedule({ outputs }, gpu.capabilities, options));
        const plan = await Plan.compile(gpu, { outputs }, { ...options, poison: true });
        // Twice: a run must not depend on what the one before has left.
        for (let run = 0; run < 2; run++) {
          plan.run();
          const found = await plan.readTogether(outputs);
          expected.forEach(({ values, most }, i) => {
            const off = distance(values, found[i]!);
            expect(off, `${outputs[i]}, ${way}, run ${run}`).toBeLessThanOrEqual(most);
          });
        }
        plan.destroy();
      }
    }),
    { numRuns: RUNS, seed: SEED },
  );
});

/** Whether there is a gradient to take. */
function reaches(loss: Tensor, parameter: Tensor): boolean {
  try {
    grad(loss, [parameter]);
    return true;
  } catch {
    return false;
  }
}
