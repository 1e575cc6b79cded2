/** What `fuse` may and may not put together, by operations of which only the rule matters. */
import { describe, expect, it } from 'vitest';
import { fuse } from '../../../engine/graph/fuse.js';
import { call, type GraphNode, nodeOf, type Op, record } from '../../../engine/graph/op.js';
import { type Tensor, variable } from '../../../engine/graph/tensor.js';
import { recordingOrder } from '../../../engine/graph/traverse.js';
import { reshape } from '../../../engine/ops/reshape.js';

const plain = (name: string): Op<null> => ({
  name,
  outputs: ([x]) => [{ shape: x!.shape }],
  kernels: () => [],
  reference: (_, [x]) => [x!],
});

/** Reads one or two tensors, and can be done by what made one of them. */
const tailOp = plain('tail');
const otherOp = plain('other');

/** Takes in any number of tails; its second output is a by-product. */
const baseOp: Op<readonly string[]> = {
  name: 'base',
  outputs: ([x]) => [{ shape: x!.shape }, { shape: x!.shape }],
  kernels: () => [],
  absorb: ({ inputs, attributes, outputs }, consumer, tail) =>
    consumer.op === tailOp
      ? {
          inputs: [...inputs, ...consumer.inputs.filter((input) => input !== tail)],
          attributes: [...attributes, 'tail'],
          outputs: [consumer.outputs[0]!, outputs[1]!],
        }
      : undefined,
  reference: (_, [x]) => [x!, x!],
};

const leaf = () => variable(Float32Array.of(1, 2, 3, 4), [4], 'x');
const base = (x: Tensor) => record(baseOp, [x], []);
const tail = (...inputs: Tensor[]) => call(tailOp, inputs, null);
const other = (...inputs: Tensor[]) => call(otherOp, inputs, null);

const run = (outputs: readonly Tensor[]) => fuse(recordingOrder(outputs), outputs);
const names = (outputs: readonly Tensor[]) => run(outputs).map(({ op }) => op.name);

describe('fuse', () => {
  it('runs one node in the place of the consumer, with the inputs and the output of both', () => {
    const [x, y] = [leaf(), leaf()];
    const node = base(x);
    const between = other(y);
    const end = tail(node.outputs[0]!, between);
    const [first, fused, ...rest] = run([end]);
    expect(rest).toEqual([]);
    expect(first).toBe(nodeOf(between));
    expect(fused).toMatchObject({ op: baseOp, attributes: ['tail'] });
    expect(fused!.inputs).toEqual([x, between]);
    expect(fused!.outputs).toEqual([end, node.outputs[1]]);
    expect(fused!.order).toBe(nodeOf(end)!.order);
  });

  it('takes in one consumer after another', () => {
    const x = leaf();
    const end = tail(tail(base(x).outputs[0]!, x), x);
    const [fused, ...rest] = run([end]);
    expect(rest).toEqual([]);
    expect(fused!.attributes).toEqual(['tail', 'tail']);
    expect(fused!.inputs).toEqual([x, x, x]);
    expect(fused!.outputs[0]).toBe(end);
  });

  it('looks at every input of the consumer, and takes in one producer alone', () => {
    const [x, y] = [leaf(), leaf()];
    expect(names([tail(x, base(y).outputs[0]!)])).toEqual(['base']);
    expect(names([tail(other(x), base(y).outputs[0]!)])).toEqual(['other', 'base']);
    expect(names([tail(base(x).outputs[0]!, base(y).outputs[0]!)])).toEqual(['base', 'base']);
    expect(names([tail(x, y)])).toEqual(['tail']);
  });

  it('does not touch consumers without a rule, nor producers without one', () => {
    const x = leaf();
    expect(names([other(base(x).outputs[0]!)])).toEqual(['base', 'other']);
    expect(names([tail(other(x))])).toEqual(['other', 'tail']);
  });

  it('keeps what is read afterwards or by another node', () => {
    const x = leaf();
    const y = base(x).outputs[0]!;
    const end = tail(y);
    expect(names([end])).toEqual(['base']);
    expect(names([end, y])).toEqual(['base', 'tail']);
    expect(names([end, other(y)])).toEqual(['base', 'tail', 'other']);
    expect(names([tail(y, y)])).toEqual(['base', 'tail']);
  });

  it('looks through views, which run no more, unless a view is read afterwards or twice', () => {
    const x = leaf();
    const y = base(x).outputs[0]!;
    const [one, two] = [reshape(y, [2, 2]), reshape(y, [4])];
    const inner = reshape(one, [4]);
    const end = tail(inner);
    expect(names([end])).toEqual(['base']);
    expect(names([end, inner])).toEqual(['base', 'reshape', 'reshape', 'tail']);
    expect(names([end, one])).toEqual(['base', 'reshape', 'reshape', 'tail']);
    expect(names([end, two])).toEqual(['base', 'reshape', 'reshape', 'reshape', 'tail']);
    expect(names([end, other(inner)])).toEqual(['base', 'reshape', 'reshape', 'tail', 'other']);
    expect(names([tail(reshape(x, [2, 2]))])).toEqual(['reshape', 'tail']);
  });

  it('waits for no reader of a by-product: it fuses if those come later, and not if they come before', () => {
    const x = leaf();
    const late = base(x);
    const end = tail(late.outputs[0]!);
    expect(names([end, other(late.outputs[1]!)])).toEqual(['base', 'other']);
    const early = base(x);
    const reader = other(early.outputs[1]!);
    expect(names([tail(early.outputs[0]!), reader])).toEqual(['base', 'other', 'tail']);
  });

  it('leaves a node alone that changes its inputs', () => {
    const x = leaf();
    const changing: Op<readonly string[]> = { ...baseOp, name: 'changing', mutates: [0] };
    const y = record(changing, [x], []).outputs[0]!;
    expect(names([tail(y)])).toEqual(['changing', 'tail']);
  });

  it('does not change what was recorded', () => {
    const x = leaf();
    const end = tail(base(x).outputs[0]!);
    const before = recordingOrder([end]).map((node: GraphNode) => ({ ...node }));
    run([end]);
    expect(recordingOrder([end])).toEqual(before);
  });
});
