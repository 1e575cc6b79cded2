/** Gradients against differences in float64, and which nodes a backward pass visits: no device is needed for either. */
import { describe, expect, it } from 'vitest';
import { call, type GraphNode, nodeOf, type Op, record } from '../../../engine/graph/op.js';
import { evaluate } from '../../../engine/graph/reference.js';
import { constant, input, type Tensor } from '../../../engine/graph/tensor.js';
import { recordingOrder } from '../../../engine/graph/traverse.js';
import { activation } from '../../../engine/ops/activation.js';
import { add } from '../../../engine/ops/add.js';
import { checkpoint } from '../../../engine/ops/checkpoint.js';
import { layerNorm } from '../../../engine/ops/layerNorm.js';
import { linear } from '../../../engine/ops/linear.js';
import { matmul } from '../../../engine/ops/matmul.js';
import { multiply } from '../../../engine/ops/multiply.js';
import { sum } from '../../../engine/ops/reduce.js';
import { reshape } from '../../../engine/ops/reshape.js';
import { grad } from '../../../engine/train/autograd.js';
import { allFinite } from '../../../engine/train/magnitude.js';
import { TestRandom } from '../../helpers/check.js';

/** Compares every element's gradient with central differences of the loss. */
function expectDifferences(loss: Tensor, parameters: readonly Tensor[], gradients: readonly Tensor[]) {
  const found = evaluate(gradients);
  const step = 1e-5;
  for (const [p, parameter] of parameters.entries()) {
    expect(gradients[p]!.shape).toEqual(parameter.shape);
    const data = Float64Array.from(parameter.leaf!.data!);
    for (let i = 0; i < data.length; i++) {
      const at = (delta: number) =>
        evaluate([loss], new Map([[parameter, data.with(i, data[i]! + delta)]])).get(loss)![0]!;
      const expected = (at(step) - at(-step)) / (2 * step);
      expect(found.get(gradients[p]!)![i], `${parameter} at ${i}`).toBeCloseTo(expected, 6);
    }
  }
}

/** Two residual blocks whose inputs are kept, and a sum of squares of what is read twice. */
function network() {
  const random = new TestRandom(1);
  const x = random.variable([3, 4], 'x');
  const weights = [0, 1].map((i) => random.variable([4, 4], `w${i}`));
  const [gain, shift] = [random.variable([4], 'gain'), random.variable([4], 'shift')];
  let y: Tensor = x;
  for (const weight of weights) {
    const block = checkpoint(y);
    const inner = linear(layerNorm(block, gain, shift), weight, undefined, { activation: 'gelu' });
    y = add(block, inner);
  }
  const squares = multiply(y, reshape(reshape(y, [12]), [3, 4]));
  return { loss: sum(squares), parameters: [x, ...weights, gain, shift] };
}

const namesOf = (tensors: readonly Tensor[]) => recordingOrder(tensors).map(({ op }) => op.name);
const count = (list: readonly string[], name: string) => list.filter((each) => each === name).length;

/** Two outputs, x and 2 x; it records what its gradient rule is asked. */
function twice() {
  const asked: { incoming: (Tensor | undefined)[]; wanted: readonly boolean[] }[] = [];
  const op: Op<null> = {
    name: 'twice',
    outputs: ([x]) => [{ shape: x!.shape }, { shape: x!.shape }],
    kernels: () => [],
    gradient: ({ inputs }, incoming, wanted) => {
      asked.push({ incoming: [...incoming], wanted });
      const [first, second] = incoming;
      const doubled = second && add(second, second);
      return inputs.map(() => (first && doubled ? add(first, doubled) : (first ?? doubled)));
    },
    reference: (_, [x]) => [x!, x!.map((v) => 2 * v)],
  };
  return { op, asked };
}

/** Reads two tensors, and is differentiated in the first alone. */
const first: Op<null> = {
  name: 'first',
  outputs: ([a]) => [{ shape: a!.shape }],
  kernels: () => [],
  gradient: (_, [dy]) => [dy, undefined],
  reference: (_, [a]) => [a!],
};

describe('grad', () => {
  it.each([false, true])('has the gradients that differences have (recompute: %s)', (recompute) => {
    const { loss, parameters } = network();
    expectDifferences(loss, parameters, grad(loss, parameters, { recompute }));
  });

  it('adds up the ways on which a parameter reaches the loss', () => {
    const x = new TestRandom(2).variable([2], 'x');
    const y = add(multiply(x, x), add(x, x));
    const loss = sum(add(y, multiply(y, x)));
    expectDifferences(loss, [x], grad(loss, [x]));
  });

  it('has gradient 1 of the loss itself, and takes a parameter that is no leaf', () => {
    const x = new TestRandom(3).variable([3], 'x');
    const y = multiply(x, x);
    const loss = sum(y);
    const [ofLoss, ofY] = grad(loss, [loss, y]);
    const found = evaluate([ofLoss!, ofY!]);
    expect([...found.get(ofLoss!)!]).toEqual([1]);
    expect([...found.get(ofY!)!]).toEqual([1, 1, 1]);
  });

  it('refuses what has no gradient: a loss of two numbers, an operation without a rule, a parameter apart', () => {
    const random = new TestRandom(4);
    const [x, stray] = [random.variable([2], 'x'), random.variable([2], 'stray')];
    expect(() => grad(multiply(x, x), [x])).toThrow('scalar');
    expect(() => grad(allFinite([x]), [x])).toThrow('allFinite');
    expect(() => grad(sum(x), [x, stray])).toThrow('stray');
  });

  it('asks no rule of what lies below the parameters or beside them', () => {
    const random = new TestRandom(5);
    const [x, frozen] = [random.variable([2, 2], 'x'), random.variable([2, 2], 'frozen')];
    const scale = allFinite([frozen]);
    const loss = sum(multiply(matmul(x, matmul(frozen, frozen)), scale));
    const [gradient] = grad(loss, [x]);
    expectDifferences(loss, [x], [gradient!]);
    // One product forward, one of the frozen ones, one back to x.
    expect(count(namesOf([loss, gradient!]), 'matmul')).toBe(3);
  });

  it('asks no rule where no gradient arrives', () => {
    const random = new TestRandom(6);
    const x = random.variable([2], 'x');
    // Nothing arrives at `allFinite`, which has no rule.
    const loss = sum(call(first, [x, allFinite([x])], null));
    expect([...evaluate(grad(loss, [x])).values()].map((v) => [...v])).toContainEqual([1, 1]);
  });

  it('keeps the gradient of one way where the rule of another has none', () => {
    const random = new TestRandom(11);
    const [x, y] = [random.variable([2], 'x'), random.variable([2], 'y')];
    // The sum of y is recorded last, so its gradient is there when the rule of `first` is asked.
    const loss = add(sum(call(first, [x, y], null)), sum(y));
    const gradients = grad(loss, [x, y]);
    const found = evaluate(gradients);
    expect(gradients.map((gradient) => [...found.get(gradient)!])).toEqual([
      [1, 1],
      [1, 1],
    ]);
  });

  it('tells a rule which outputs reach the loss and which inputs are wanted', () => {
    const random = new TestRandom(7);
    const [x, frozen] = [random.variable([2], 'x'), constant(random.array(2), [2], 'frozen')];
    const { op, asked } = twice();
    const loss = sum(record(op, [x, frozen], null).outputs[1]!);
    const [gradient] = grad(loss, [x]);
    expect(asked.map(({ incoming }) => incoming.map((g) => g !== undefined))).toEqual([[false, true]]);
    expect(asked.map(({ wanted }) => wanted)).toEqual([[true, false]]);
    // The rule answers for both inputs; what is not wanted is left alone.
    expect([...evaluate([gradient!]).get(gradient!)!]).toEqual([2, 2]);
    expect(() => grad(loss, [frozen, x])).not.toThrow();
  });

  it('does not count what arrives at an input that nobody wants', () => {
    const random = new TestRandom(8);
    const [x, frozen] = [random.variable([2], 'x'), constant(random.array(2), [2], 'frozen')];
    const { op } = twice();
    const apart = add(frozen, frozen);
    const loss = sum(call(op, [x, apart], null));
    // `apart` gets a gradient from a rule that answers for all inputs, and must not carry it on.
    expect(() => grad(loss, [x, frozen])).not.toThrow();
    const alone = namesOf(grad(loss, [x]));
    expect(count(alone, 'add')).toBe(0);
  });
});

describe('recomputation', () => {
  const chain = () => {
    const x = new TestRandom(9).variable([4], 'x');
    const kept = checkpoint(activation(x, 'gelu'));
    const inner = activation(kept, 'quickGelu');
    const loss = sum(multiply(activation(inner, 'relu'), inner));
    return { x, kept, inner, loss };
  };

  it('records forward nodes once more, each once, after the loss', () => {
    const { x, kept, loss } = chain();
    const forward = new Set(recordingOrder([loss]));
    const copies = (recompute: boolean) => {
      const gradients = grad(loss, [x], { recompute });
      return recordingOrder(gradients).filter(({ op }) => op.name === 'activation').length;
    };
    // Beside what the gradients read of the forward pass: one activation between the kept tensor and the last rule.
    const plain = copies(false);
    const again = recordingOrder(grad(loss, [x], { recompute: true }));
    const copied = again.filter((node) => node.op.name === 'activation' && !forward.has(node));
    expect(plain).toBeGreaterThan(0);
    expect(copied).toHaveLength(2);
    const last = Math.max(...[...forward].map(({ order }) => order));
    for (const node of copied) expect(node.order).toBeGreaterThan(last);
    // It starts from the kept tensor: one copy reads it, none makes it anew.
    expect(copied.filter(({ inputs }) => inputs.includes(kept))).toHaveLength(1);
    expect(again.filter(({ op }) => op.name === 'checkpoint')).toHaveLength(1);
  });

  it('reads leaves and kept tensors where they are, and no other result of the forward pass', () => {
    const { x, kept, loss } = chain();
    const forward = new Set<GraphNode>(recordingOrder([loss]));
    const backward = recordingOrder(grad(loss, [x], { recompute: true })).filter((n) => !forward.has(n));
    for (const node of backward)
      for (const tensor of node.inputs) {
        const producer = nodeOf(tensor);
        if (producer && forward.has(producer)) expect(tensor).toBe(kept);
      }
  });

  it('finds the same output of a copied node', () => {
    const random = new TestRandom(10);
    const x = random.variable([3], 'x');
    const { op } = twice();
    const [one, two] = record(op, [checkpoint(x)], null).outputs;
    const loss = sum(multiply(multiply(two!, two!), one!));
    expectDifferences(loss, [x], grad(loss, [x], { recompute: true }));
  });

  it('computes the same without a parameter among the leaves that are fed', () => {
    const x = input([2], 'x');
    const loss = sum(multiply(checkpoint(x), x));
    const [gradient] = grad(loss, [x], { recompute: true });
    expect([...evaluate([gradient!], new Map([[x, [3, 5]]])).get(gradient!)!]).toEqual([6, 10]);
  });
});
