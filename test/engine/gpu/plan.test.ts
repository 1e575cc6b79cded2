import { describe, expect, it } from 'vitest';
import { readLeaf, write } from '../../../engine/gpu/memory.js';
import { Plan } from '../../../engine/gpu/plan.js';
import { Schedule } from '../../../engine/gpu/schedule.js';
import { evaluate } from '../../../engine/graph/reference.js';
import { constant, input, type Tensor, variable } from '../../../engine/graph/tensor.js';
import { activation } from '../../../engine/ops/activation.js';
import { add } from '../../../engine/ops/add.js';
import { checkpoint } from '../../../engine/ops/checkpoint.js';
import { linear } from '../../../engine/ops/linear.js';
import { matmul } from '../../../engine/ops/matmul.js';
import { multiply } from '../../../engine/ops/multiply.js';
import { sum } from '../../../engine/ops/reduce.js';
import { reshape } from '../../../engine/ops/reshape.js';
import { grad } from '../../../engine/train/autograd.js';
import { cosineRate, sgd } from '../../../engine/train/optim.js';
import { checkForward, relativeError, TestRandom, testGpu } from '../../helpers/check.js';
import { countCreations, NOTHING } from '../../helpers/creations.js';

/** loss = sum((x w)²) with an SGD step on w. */
function smallStep(random: TestRandom) {
  const x = input([6, 5], 'x');
  const rate = input([1], 'rate');
  const w = random.variable([5, 4], 'w');
  const y = matmul(x, w);
  const loss = sum(multiply(y, y));
  const [gradient] = grad(loss, [w]);
  const optimiser = sgd([w], [gradient!], rate, { momentum: 0.9, weightDecay: 5e-4 });
  return { x, rate, w, loss, gradient: gradient!, optimiser };
}

describe('Plan', () => {
  it('creates no buffer, bind group or pipeline in a step', async () => {
    const gpu = await testGpu();
    const random = new TestRandom(1);
    const { x, rate, loss, optimiser } = smallStep(random);
    const plan = await Plan.compile(gpu, { outputs: [loss], updates: optimiser.updates });
    const count = countCreations(gpu);
    for (let i = 0; i < 3; i++) {
      write(gpu, x, random.array(30));
      write(gpu, rate, Float32Array.of(0.01));
      plan.run();
      await plan.read(loss);
    }
    expect(count()).toEqual(NOTHING);
    const compiling = countCreations(gpu);
    (await Plan.compile(gpu, { outputs: [multiply(loss, loss)] })).destroy();
    expect(compiling().buffers, 'the counter sees creations').toBeGreaterThan(0);
  });

  it('follows PyTorch SGD over several steps, by the reference', async () => {
    const gpu = await testGpu();
    const random = new TestRandom(2);
    const { x, rate, w, loss, optimiser } = smallStep(random);
    const plan = await Plan.compile(gpu, { outputs: [loss], updates: optimiser.updates }, { poison: true });
    let expected: Map<Tensor, ArrayLike<number>> = new Map([[w, w.leaf!.data!]]);
    for (let step = 0; step < 4; step++) {
      const images = random.array(30);
      const learningRate = Float32Array.of(step === 0 ? 1e-5 : 0.01);
      write(gpu, x, images);
      write(gpu, rate, learningRate);
      plan.run();
      const feeds = new Map<Tensor, ArrayLike<number>>([...expected, [x, images], [rate, learningRate]]);
      const values = evaluate([loss], feeds, optimiser.updates);
      expect(relativeError(await plan.read(loss), values.get(loss)!)).toBeLessThan(1e-5);
      expected = new Map([w, ...optimiser.state].map((leaf) => [leaf, values.get(leaf)!]));
    }
    expect(relativeError(await readLeaf(gpu, w), expected.get(w)!)).toBeLessThan(1e-5);
  });

  it('does one SGD step by hand', () => {
    const w = variable(Float32Array.of(2), [1], 'w');
    const { updates, state } = sgd(
      [w],
      [constant(Float32Array.of(1), [1])],
      constant(Float32Array.of(0.5), [1]),
      {
        momentum: 0.9,
        weightDecay: 0.5,
      },
    );
    // d = 1 + 0.5 * 2 = 2; v = 0.9 * 10 + 2 = 11; w = 2 - 0.5 * 11
    const values = evaluate([], new Map([[state[0]!, [10]]]), updates);
    expect(values.get(state[0]!)![0]).toBeCloseTo(11, 12);
    expect(values.get(w)![0]).toBeCloseTo(-3.5, 12);
  });

  it('shares memory between tensors that do not live together', async () => {
    const random = new TestRandom(3);
    let x: Tensor = random.variable([64, 64], 'x');
    const w = random.variable([64, 64], 'w', 0.2);
    for (let i = 0; i < 10; i++) x = add(matmul(x, w), x);
    const plan = await Plan.compile(await testGpu(), { outputs: [sum(x)] });
    const { workspace, workspaceUnshared } = plan.describe();
    expect(workspaceUnshared).toBe(20 * 64 * 64 * 4);
    expect(workspace).toBeLessThanOrEqual(3 * 64 * 64 * 4);
    plan.destroy();
    await checkForward([x]);
  });

  it('never binds a buffer as input and output of one dispatch', async () => {
    const { capabilities } = await testGpu();
    const random = new TestRandom(4);
    const x = random.variable([8, 8], 'x');
    const y = reshape(multiply(reshape(add(x, x), [64]), reshape(x, [64])), [8, 8]);
    const schedule = new Schedule({ outputs: [sum(matmul(y, y))] }, capabilities);
    for (const dispatch of schedule.dispatches) {
      const slots = (operands: typeof dispatch.reads) =>
        Object.values(operands).map((o) => schedule.slotOf.get('tensor' in o ? o.tensor : o));
      for (const slot of slots(dispatch.writes)) expect(slots(dispatch.reads)).not.toContain(slot);
    }
    await checkForward([y]);
  });

  it('computes only what the parameters need', async () => {
    const random = new TestRandom(5);
    const frozen = constant(random.array(16), [4, 4], 'frozen');
    const x = random.variable([4, 4], 'x');
    const loss = sum(matmul(matmul(frozen, frozen), matmul(x, frozen)));
    const schedule = new Schedule({ outputs: grad(loss, [x]) }, (await testGpu()).capabilities);
    const products = schedule.nodes.filter((node) => node.op.name === 'matmul').length;
    // Forward: frozen * frozen, which the gradient reads. Backward: one product a link to x. Nothing else.
    expect(products).toBe(3);
  });

  it('says which parameter does not reach the loss', () => {
    const random = new TestRandom(6);
    const x = random.variable([2], 'x');
    expect(() => grad(sum(x), [random.variable([2], 'stray')])).toThrow(/stray/);
  });
});

describe('cosineRate', () => {
  it('is the reference schedule: 20 epochs, 0.005, one epoch of warm-up', () => {
    const rate = (epoch: number) =>
      cosineRate({ rate: 0.005, epochs: 20, warmupEpochs: 1, warmupRate: 1e-5 }, epoch);
    expect(rate(1)).toBe(1e-5);
    expect(rate(2)).toBeCloseTo(0.005, 12);
    expect(rate(3)).toBeCloseTo(0.00496922, 8);
    expect(rate(12)).toBeCloseTo(0.0025, 12);
    expect(rate(20)).toBeCloseTo(1.22359e-4, 9);
  });
});

describe('recomputation', () => {
  /** A chain of blocks y += gelu(y up) down, as deep as asked, four times as wide inside, with block inputs kept. */
  function chain(depth: number) {
    const random = new TestRandom(11);
    const x = random.variable([16, 32], 'x');
    const up = constant(random.array(128 * 32, 0.2), [128, 32], 'up');
    const down = constant(random.array(32 * 128, 0.2), [32, 128], 'down');
    let y: Tensor = x;
    for (let i = 0; i < depth; i++) {
      const block = checkpoint(y);
      y = add(block, linear(activation(linear(block, up), 'quickGelu'), down));
    }
    return { x, loss: sum(multiply(y, y)) };
  }

  it('gives the same gradients', async () => {
    const { x, loss } = chain(4);
    const [plain] = grad(loss, [x]);
    const [again] = grad(loss, [x], { recompute: true });
    const plan = await Plan.compile(await testGpu(), { outputs: [plain!, again!] }, { poison: true });
    plan.run();
    expect(await plan.read(again!)).toEqual(await plan.read(plain!));
    plan.destroy();
  });

  it('holds one block at a time beside the kept tensors', async () => {
    const { capabilities } = await testGpu();
    const peak = (recompute: boolean) => {
      const { x, loss } = chain(24);
      const schedule = new Schedule({ outputs: grad(loss, [x], { recompute }) }, capabilities);
      return schedule.slots.reduce((total, slot) => total + slot.bytes, 0) / (16 * 32 * 4);
    };
    // Kept: 24 block inputs. Without it each block also holds what its activation reads.
    expect(peak(false)).toBeGreaterThan(4 * 24);
    expect(peak(true)).toBeLessThan(24 + 2 * 8);
  });
});
