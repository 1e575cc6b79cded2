/** What a batch and an update of several batches change, followed in float64 and compared with loops; no device is needed. */
import { describe, expect, it } from 'vitest';
import type { GraphNode } from '../../../../engine/graph/op.js';
import { evaluate } from '../../../../engine/graph/reference.js';
import { input, scalar, type Tensor, variable } from '../../../../engine/graph/tensor.js';
import { recordingOrder } from '../../../../engine/graph/traverse.js';
import { activation } from '../../../../engine/ops/activation.js';
import { checkpoint } from '../../../../engine/ops/checkpoint.js';
import { multiply } from '../../../../engine/ops/multiply.js';
import { sum } from '../../../../engine/ops/reduce.js';
import { accumulate as addTo } from '../../../../engine/train/optim.js';
import { gradientsAndUpdate } from '../../../../models/promptkd/shared/gradientsAndUpdate.js';

const SGD = { momentum: 0.9, weightDecay: 0.25 };
const START = [1, -2, 0.5];
const RATE = 0.1;

/** loss = sum(x * factor): the gradient of every element is the factor. */
function linearLoss(options: { accumulate?: number }, half = false) {
  const x = variable(Float32Array.from(START), [3], 'x');
  const factor = input([1], 'factor');
  const rate = input([1], 'rate');
  const loss = multiply(sum(x), factor);
  const recorded = gradientsAndUpdate(loss, [x], rate, { ...SGD, ...options }, half);
  let values = new Map<Tensor, ArrayLike<number>>();
  /** Runs updates with a factor; what they change stays changed. */
  const run = (updates: readonly GraphNode[], value = 0) => {
    const feeds = new Map<Tensor, ArrayLike<number>>([...values, [factor, [value]], [rate, [RATE]]]);
    const found = evaluate(recorded.gradients, feeds, updates);
    const changed = updates.flatMap(({ op, inputs }) => op.mutates!.map((i) => inputs[i]!));
    values = new Map([...values, ...changed.map((leaf) => [leaf, found.get(leaf)!] as const)]);
    return found;
  };
  const now = () => [...Float64Array.from(values.get(x) ?? START)];
  return { x, recorded, run, now };
}

/** SGD with momentum and decay in loops. */
function sgdByHand(gradients: readonly number[]) {
  const [p, v] = [[...START], [0, 0, 0]];
  for (const g of gradients)
    for (let i = 0; i < 3; i++) {
      v[i] = SGD.momentum * v[i]! + g + SGD.weightDecay * p[i]!;
      p[i]! -= RATE * v[i]!;
    }
  return p;
}

const expectClose = (found: readonly number[], expected: readonly number[]) => {
  expect(found).toHaveLength(expected.length);
  for (const [i, value] of expected.entries()) expect(found[i]).toBeCloseTo(value, 12);
};

describe('the update of a batch', () => {
  it.each([{}, { accumulate: 1 }])('is SGD with its gradients: %j', (options) => {
    const { x, recorded, run, now } = linearLoss(options);
    const { gradients, optimiser, finish, health } = recorded;
    expect(finish).toBeUndefined();
    expect(health.goodSteps).toBeUndefined();
    expect(optimiser.state.map(({ shape }) => shape)).toEqual([x.shape]);
    for (const factor of [2, -1, 0.5])
      expectClose([...run(optimiser.updates, factor).get(gradients[0]!)!], [factor, factor, factor]);
    expectClose(now(), sgdByHand([2, -1, 0.5]));
  });

  it('is skipped where gradients under a loss scale overflow; the scale is then halved', () => {
    const { recorded, run, now } = linearLoss({}, true);
    const { optimiser, finish, gradients } = recorded;
    const { goodSteps } = recorded.health;
    expect(finish).toBeUndefined();
    // The momentum; the scale, its inverse and the good steps.
    expect(optimiser.state).toHaveLength(4);
    expect(optimiser.state).toContain(goodSteps);
    const [, scale] = optimiser.state;
    expectClose([...run(optimiser.updates, 2).get(gradients[0]!)!], [2, 2, 2]);
    expectClose(now(), sgdByHand([2]));
    const found = run(optimiser.updates, Number.POSITIVE_INFINITY);
    expectClose(now(), sgdByHand([2]));
    expect(found.get(scale!)![0]).toBe(512);
    expect(found.get(goodSteps!)![0]).toBe(0);
    run(optimiser.updates, -1);
    expectClose(now(), sgdByHand([2, -1]));
  });
});

describe('the update of several batches', () => {
  it('is SGD with the mean of their gradients, which then start at 0 again', () => {
    const { recorded, run, now } = linearLoss({ accumulate: 4 });
    const { optimiser, finish } = recorded;
    expect(optimiser.state).toHaveLength(1);
    for (const factors of [
      [1, 2, 3, 6],
      [-4, 0, 0, 0],
    ]) {
      const before = now();
      for (const factor of factors) run(optimiser.updates, factor);
      expectClose(now(), before);
      run(finish!);
    }
    expectClose(now(), sgdByHand([3, -1]));
  });

  it('is skipped where one of them overflows under a loss scale, and the totals are cleared all the same', () => {
    const { recorded, run, now } = linearLoss({ accumulate: 2 }, true);
    const { optimiser, finish } = recorded;
    const { goodSteps } = recorded.health;
    const [, scale] = optimiser.state;
    run(optimiser.updates, Number.POSITIVE_INFINITY);
    run(optimiser.updates, 1);
    const found = run(finish!);
    expectClose(now(), START);
    expect(found.get(scale!)![0]).toBe(512);
    expect(found.get(goodSteps!)![0]).toBe(0);
    run(optimiser.updates, 1);
    run(optimiser.updates, 3);
    run(finish!);
    expectClose(now(), sgdByHand([2]));
  });
});

describe('everything that a batch changes', () => {
  const record = (accumulate: number) => {
    const x = variable(Float32Array.from(START), [3], 'x');
    const seen = variable(Float32Array.of(7), [1], 'seen');
    const statistics = { tensors: [seen], updates: [addTo(seen, scalar(1), scalar(1))] };
    const all = [input([1], 'rate'), { ...SGD, accumulate }, false] as const;
    return { x, seen, statistics, all, loss: sum(x) };
  };

  it('is the update, then the statistics, and then the look at both', () => {
    const { x, seen, statistics, all, loss } = record(1);
    const { updates, optimiser, health } = gradientsAndUpdate(loss, [x], ...all, statistics);
    expect(health.watches.map(({ tensors }) => tensors)).toEqual([[x, seen]]);
    expect(health.updates).toHaveLength(1);
    expect(updates).toEqual([...optimiser.updates, ...statistics.updates, ...health.updates]);
    expect(optimiser.updates).toHaveLength(1);
  });

  it('is a gradient added and the statistics where the update comes later, with the look at the parameters', () => {
    const { x, seen, statistics, all, loss } = record(3);
    const recorded = gradientsAndUpdate(loss, [x], ...all, statistics);
    const { updates, optimiser, health, finish } = recorded;
    expect(health.watches.map(({ tensors }) => tensors)).toEqual([[seen], [x]]);
    expect(updates).toEqual([...optimiser.updates, ...statistics.updates, ...health.updates]);
    expect(health.updates).toEqual([health.watches[0]!.update]);
    expect(finish!.at(-1)).toBe(health.watches[1]!.update);
  });

  it('has no statistics unless they are given', () => {
    const { x, all, loss } = record(1);
    const { updates, optimiser, health } = gradientsAndUpdate(loss, [x], ...all);
    expect(health.watches.map(({ tensors }) => tensors)).toEqual([[x]]);
    expect(updates).toEqual([...optimiser.updates, ...health.updates]);
  });
});

describe('the options', () => {
  it.each([false, true])(
    'reach the gradients: activations are recomputed if asked (loss scale: %s)',
    (half) => {
      /** Activations of the forward pass that the gradients read. */
      const held = (recompute: boolean) => {
        const x = variable(Float32Array.from(START), [3], 'x');
        const loss = sum(multiply(activation(checkpoint(x), 'gelu'), activation(checkpoint(x), 'relu')));
        const forward = new Set(recordingOrder([loss]));
        const { gradients } = gradientsAndUpdate(loss, [x], input([1]), { ...SGD, recompute }, half);
        const read = recordingOrder(gradients).filter((node) => forward.has(node));
        return read.filter(({ op }) => op.name === 'activation').length;
      };
      expect(held(false)).toBe(2);
      expect(held(true)).toBe(0);
    },
  );
});
