import { describe, expect, it } from 'vitest';
import { Plan } from '../../../engine/gpu/plan.js';
import { fuse } from '../../../engine/graph/fuse.js';
import { nodeOf } from '../../../engine/graph/op.js';
import { evaluate } from '../../../engine/graph/reference.js';
import type { DType, Tensor } from '../../../engine/graph/tensor.js';
import { recordingOrder } from '../../../engine/graph/traverse.js';
import { activation } from '../../../engine/ops/activation.js';
import { add } from '../../../engine/ops/add.js';
import { layerNorm } from '../../../engine/ops/layerNorm.js';
import { linear } from '../../../engine/ops/linear.js';
import { matmul } from '../../../engine/ops/matmul.js';
import { multiply } from '../../../engine/ops/multiply.js';
import { sum } from '../../../engine/ops/reduce.js';
import { reshape } from '../../../engine/ops/reshape.js';
import { grad } from '../../../engine/train/autograd.js';
import { relativeError, TestRandom, testGpu } from '../../helpers/check.js';

/** A residual block `x + W2 act(W1 norm(x))` and what trains it; the parameters are x and both weights. */
function block(rows: number, width: number, hidden: number, kind: 'quickGelu' | 'gelu' | 'relu') {
  const random = new TestRandom(rows + width);
  const x = random.variable([1, rows, width], 'x');
  const [gamma, beta] = [random.variable([width], 'gamma'), random.variable([width], 'beta')];
  const up = random.variable([hidden, width], 'up', 0.5);
  const down = random.variable([width, hidden], 'down', 0.5);
  const shift = random.variable([hidden], 'shift');
  const inner = linear(layerNorm(x, gamma, beta), up, shift, { activation: kind });
  const y = add(x, linear(inner, down));
  const loss = sum(multiply(y, y));
  const parameters = [x, up, down];
  return { y, loss, gradients: grad(loss, parameters) };
}

const names = (outputs: readonly Tensor[], fused: boolean) => {
  const nodes = recordingOrder(outputs);
  return (fused ? fuse(nodes, outputs) : nodes).map((node) => node.op.name);
};
const count = (list: readonly string[], name: string) => list.filter((n) => n === name).length;

describe('fuse', () => {
  it('does not add to a preactivation what belongs to the result', () => {
    const random = new TestRandom(2);
    const x = random.variable([4, 8], 'x');
    const made = linear(x, random.variable([8, 8], 'w'), undefined, { activation: 'gelu' });
    // Stored beside the result where a gradient needs it.
    const [, preactivation] = nodeOf(made)!.outputs;
    const total = add(preactivation!, x);
    expect(names([total], true)).toEqual(names([total], false));
  });

  it('adds no preactivation to the result that the same kernel makes', () => {
    const random = new TestRandom(7);
    const [x, w] = [random.variable([4, 8], 'x'), random.variable([8, 8], 'w')];
    const made = linear(x, w, undefined, { activation: 'gelu' });
    const [, preactivation] = nodeOf(made)!.outputs;
    const total = add(made, preactivation!);
    expect(names([total], true)).toEqual(['linear', 'add']);
  });

  it('leaves no sum around a residual block, and no kernel for the derivative of its activation', () => {
    const { y, gradients } = block(5, 8, 12, 'quickGelu');
    const [plain, fused] = [names([y, ...gradients], false), names([y, ...gradients], true)];
    // The third sum is that of both gradients of y * y.
    expect([count(plain, 'add'), count(plain, 'activationGradient')]).toEqual([3, 1]);
    expect([count(fused, 'add'), count(fused, 'activationGradient')]).toEqual([1, 0]);
    expect(count(fused, 'linear')).toBe(count(plain, 'linear'));
  });

  for (const kind of ['quickGelu', 'gelu', 'relu'] as const)
    for (const [rows, width, hidden] of [
      [1, 4, 4],
      [7, 12, 20],
      [65, 68, 36],
      [13, 7, 9],
    ] as const)
      it(`gives what the plain path and the reference give: ${kind}, ${rows} x ${width} x ${hidden}`, async () => {
        const gpu = await testGpu();
        const { loss, y, gradients } = block(rows, width, hidden, kind);
        const outputs = [y, loss, ...gradients];
        const expected = evaluate(outputs);
        for (const fused of [true, false]) {
          const plan = await Plan.compile(gpu, { outputs }, { poison: true, fuse: fused });
          plan.run();
          for (const tensor of outputs)
            expect(relativeError(await plan.read(tensor), expected.get(tensor)!)).toBeLessThan(1e-5);
          plan.destroy();
        }
      });

  it('keeps what is an output or is read twice', () => {
    const random = new TestRandom(3);
    const [x, w] = [random.variable([4, 8]), random.variable([8, 8])];
    const product = linear(x, w);
    const total = add(x, product);
    expect(names([total], true)).toEqual(['linear']);
    expect(names([total, product], true)).toEqual(['linear', 'add']);
    expect(names([total, activation(product, 'relu')], true)).toEqual(['linear', 'add', 'activation']);
  });

  it('adds a product to itself and shapes of another rank in plain kernels', () => {
    const random = new TestRandom(4);
    const [x, w, bias] = [random.variable([4, 8]), random.variable([8, 8]), random.variable([8])];
    const product = linear(x, w);
    expect(names([add(product, product)], true)).toEqual(['linear', 'add']);
    expect(names([add(product, bias)], true)).toEqual(['linear', 'add']);
    expect(names([add(x, reshape(product, [4, 8]))], true)).toEqual(['linear']);
  });

  it('adds once where both terms are products', async () => {
    const random = new TestRandom(5);
    const [x, w, v] = [random.variable([5, 8]), random.variable([12, 8]), random.variable([12, 8])];
    const y = add(linear(x, w), linear(x, v));
    expect(names([y], true)).toEqual(['linear', 'linear']);
    const plan = await Plan.compile(await testGpu(), { outputs: [y] }, { poison: true });
    plan.run();
    expect(relativeError(await plan.read(y), evaluate([y]).get(y)!)).toBeLessThan(1e-5);
    plan.destroy();
  });

  it('multiplies by the derivative behind a float16 product', async () => {
    const gpu = await testGpu();
    const dtype: DType = 'f16';
    const random = new TestRandom(6);
    const [x, w] = [random.variable([9, 16]), random.variable([20, 16])];
    const v = random.variable([8, 20]);
    const y = linear(linear(x, w, undefined, { activation: 'gelu', dtype }), v);
    const gradients = grad(sum(multiply(y, y)), [x, w]);
    const expected = evaluate(gradients);
    expect(count(names(gradients, true), 'activationGradient')).toBe(0);
    const plan = await Plan.compile(gpu, { outputs: gradients }, { poison: true });
    plan.run();
    for (const tensor of gradients)
      expect(relativeError(await plan.read(tensor), expected.get(tensor)!)).toBeLessThan(2e-3);
    plan.destroy();
    expect(matmul(x, w, { transposeB: true }).dtype).toBe('f32');
  });
});
