import { describe, expect, it } from 'vitest';
import { nodeOf } from '../../../engine/graph/op.js';
import { constant, type Tensor, variable } from '../../../engine/graph/tensor.js';
import { isView, memoryOf, recordingOrder } from '../../../engine/graph/traverse.js';
import { add } from '../../../engine/ops/add.js';
import { checkpoint } from '../../../engine/ops/checkpoint.js';
import { multiply } from '../../../engine/ops/multiply.js';
import { reshape } from '../../../engine/ops/reshape.js';
import { clear } from '../../../engine/train/optim.js';

const node = (tensor: Tensor) => nodeOf(tensor)!;
const leaf = () => variable(Float32Array.of(1, 2), [2], 'x');

describe('recordingOrder', () => {
  it('has each needed node once, as they were recorded, and nothing else', () => {
    const x = leaf();
    const first = add(x, x);
    const unused = multiply(first, x);
    const second = multiply(first, first);
    const third = add(second, first);
    expect(recordingOrder([third])).toEqual([node(first), node(second), node(third)]);
    // Whatever the order in which they are asked for.
    expect(recordingOrder([third, first, second, third])).toEqual([node(first), node(second), node(third)]);
    expect(recordingOrder([third, unused])).toContain(node(unused));
    expect(recordingOrder([x])).toEqual([]);
  });

  it('takes nodes, which may have no outputs, and what they read', () => {
    const x = leaf();
    const y = add(x, x);
    const [early, late] = [clear(x), clear(x)];
    expect(recordingOrder([], [late, early])).toEqual([early, late]);
    expect(recordingOrder([y], [early])).toEqual([node(y), early]);
    expect(recordingOrder([], [node(y)])).toEqual([node(y)]);
    const z = multiply(y, y);
    expect(recordingOrder([], [node(z)])).toEqual([node(y), node(z)]);
  });

  it('walks graphs that are deeper than any stack', () => {
    let x: Tensor = constant(Float32Array.of(1), [1]);
    for (let i = 0; i < 20_000; i++) x = add(x, x);
    expect(recordingOrder([x])).toHaveLength(20_000);
  });
});

describe('memoryOf', () => {
  it('looks through views to what owns the memory', () => {
    const x = leaf();
    const y = add(x, x);
    expect(memoryOf(x)).toBe(x);
    expect(memoryOf(y)).toBe(y);
    expect(memoryOf(reshape(checkpoint(reshape(y, [1, 2])), [2]))).toBe(y);
    expect(memoryOf(reshape(x, [1, 2]))).toBe(x);
    expect(isView(node(reshape(x, [1, 2])))).toBe(true);
    expect(isView(node(y))).toBe(false);
  });
});
