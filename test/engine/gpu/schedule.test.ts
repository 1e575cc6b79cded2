/**
 * Schedules without a device: every run is followed launch by launch, with what each slot of memory holds, over fixed graphs
 * and random ones.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PORTABLE } from '../../../engine/capabilities.js';
import { choicesOf, type ScheduleOptions } from '../../../engine/gpu/schedule.js';
import { type GraphNode, nodeOf } from '../../../engine/graph/op.js';
import { constant, input, type Tensor, variable } from '../../../engine/graph/tensor.js';
import { tensorOf } from '../../../engine/kernels/kernelSource.js';
import { activation } from '../../../engine/ops/activation.js';
import { add } from '../../../engine/ops/add.js';
import { checkpoint } from '../../../engine/ops/checkpoint.js';
import { linear } from '../../../engine/ops/linear.js';
import { matmul } from '../../../engine/ops/matmul.js';
import { multiply } from '../../../engine/ops/multiply.js';
import { sum } from '../../../engine/ops/reduce.js';
import { reshape } from '../../../engine/ops/reshape.js';
import { grad } from '../../../engine/train/autograd.js';
import { allFinite } from '../../../engine/train/magnitude.js';
import { accumulate } from '../../../engine/train/optim.js';
import { faultsOf, matrix, one, schedule, step } from '../../helpers/schedules.js';

/** A graph of what is chosen, each choice an operation on what there is already. */
const graphs = fc.array(
  fc.record({ kind: fc.nat(6), a: fc.nat(1000), b: fc.nat(1000), output: fc.boolean() }),
  { minLength: 1, maxLength: 24 },
);

function build(choices: readonly { kind: number; a: number; b: number; output: boolean }[]) {
  const pool: Tensor[] = [matrix('x'), matrix('y'), constant(undefined, [8, 8], 'c')];
  const outputs: Tensor[] = [];
  for (const { kind, a, b, output } of choices) {
    const [left, right] = [pool[a % pool.length]!, pool[b % pool.length]!];
    const make = [
      () => add(left, right),
      () => multiply(left, right),
      () => matmul(left, right),
      () => linear(left, right, undefined, b % 2 ? { activation: 'gelu' } : {}),
      () => activation(left, 'relu'),
      () => reshape(reshape(left, [64]), [8, 8]),
      () => checkpoint(left),
    ];
    const made = make[kind]!();
    pool.push(made);
    if (output) outputs.push(made);
  }
  const last = pool.at(-1)!;
  return { x: pool[0]!, outputs: [...outputs, last], last };
}

describe('a schedule', () => {
  it('never reads what was overwritten, over random graphs, with and without fusing', () => {
    fc.assert(
      fc.property(graphs, (choices) => {
        const { outputs, x, last } = build(choices);
        for (const fuse of [true, false]) {
          expect(faultsOf(schedule({ outputs }, { fuse }))).toEqual([]);
          const updates = [accumulate(x, last, one(1))];
          expect(faultsOf(schedule({ outputs, updates }, { fuse }))).toEqual([]);
          expect(faultsOf(schedule({ updates }, { fuse }))).toEqual([]);
        }
      }),
      { numRuns: 60, seed: 14 },
    );
  });

  it('never reads what was overwritten in a training step', () => {
    for (const fuse of [true, false]) {
      const { loss, updates, gradients } = step(4);
      expect(faultsOf(schedule({ outputs: [loss], updates, loss }, { fuse }))).toEqual([]);
      expect(faultsOf(schedule({ outputs: gradients, updates }, { fuse }))).toEqual([]);
    }
  });

  it('runs nodes as they were recorded, those that change variables last', () => {
    const x = matrix('x');
    const update = accumulate(x, x, one(1));
    const y = add(x, x);
    const late = accumulate(x, y, one(2));
    const { nodes } = schedule({ outputs: [multiply(y, y)], updates: [late, update] });
    expect(nodes.map(({ op }) => op.name)).toEqual(['add', 'multiply', 'accumulate', 'accumulate']);
    expect(nodes.slice(2)).toEqual([update, late]);
  });

  it('fuses unless told not to', () => {
    const [x, w] = [matrix('x'), matrix('w')];
    const outputs = [add(x, linear(x, w))];
    const names = (options?: ScheduleOptions) =>
      schedule({ outputs }, options).nodes.map(({ op }) => op.name);
    expect(names()).toEqual(['linear']);
    expect(names({ fuse: true })).toEqual(['linear']);
    expect(names({ fuse: false })).toEqual(['linear', 'add']);
  });

  it('has no launch and no memory for a view, and reads what the view shows', () => {
    const x = matrix('x');
    const y = add(x, x);
    const view = reshape(y, [64]);
    const made = schedule({ outputs: [multiply(view, view)] });
    expect(made.steps.map(({ node }) => node.op.name)).toEqual(['add', 'multiply']);
    expect(made.slotOf.has(view)).toBe(false);
    expect(made.slots).toHaveLength(2);
    const shown = schedule({ outputs: [view] });
    expect([...shown.slotOf.keys()]).toEqual([y]);
  });

  it('tells a kernel which of its outputs are read, now or after the run', () => {
    const [x, w] = [matrix('x'), matrix('w')];
    const y = linear(x, w, undefined, { activation: 'gelu' });
    const preactivation = (nodeOf(y) as GraphNode).outputs[1]!;
    const writes = (outputs: Tensor[]) =>
      schedule({ outputs }).dispatches.flatMap((d) => Object.values(d.writes).map(tensorOf));
    expect(writes([y])).not.toContain(preactivation);
    expect(schedule({ outputs: [y] }).slotOf.has(preactivation)).toBe(false);
    expect(writes([y, preactivation])).toContain(preactivation);
    expect(writes([y, reshape(preactivation, [64])])).toContain(preactivation);
    expect(writes([y, multiply(preactivation, x)])).toContain(preactivation);
  });

  it('shares slots: two for a chain of any length, and the smallest that is free', () => {
    let y: Tensor = matrix('x');
    for (let i = 0; i < 9; i++) y = activation(y, 'gelu');
    const total = sum(y);
    const { slots, slotOf } = schedule({ outputs: [total] });
    expect(slots.map(({ bytes }) => bytes).sort((a, b) => a - b)).toEqual([4, 256, 256]);
    expect(slotOf.get(total)!.bytes).toBe(4);

    // The 16 x 16 ends before the last two are made: each of them could lie there, and the smaller must not.
    const wide = activation(variable(undefined, [16, 16]), 'gelu');
    const small = activation(variable(undefined, [2, 2]), 'gelu');
    const both = [sum(wide), sum(small)];
    const made = schedule({ outputs: both });
    expect(made.slotOf.get(small)!.bytes).toBe(made.slotOf.get(small) === made.slotOf.get(wide) ? 1024 : 16);
    expect(made.slots.reduce((bytes, slot) => bytes + slot.bytes, 0)).toBeLessThanOrEqual(1024 + 16 + 8);
  });

  it('makes a slot as large as the largest tensor that lies there, whichever comes first', () => {
    for (const widths of [
      [4, 16],
      [16, 4],
    ]) {
      const outputs = widths.map((width) => sum(activation(variable(undefined, [width, width]), 'gelu')));
      const made = schedule({ outputs });
      expect(faultsOf(made)).toEqual([]);
      expect(made.slots.map(({ bytes }) => bytes).sort((a, b) => b - a)).toEqual([1024, 4, 4]);
    }
  });

  it('gives the result of a launch another slot than its input, also where the result is larger', () => {
    const x = activation(matrix('x'), 'gelu');
    const product = matmul(reshape(x, [64, 1]), reshape(x, [1, 64]));
    const made = schedule({ outputs: [sum(product)] });
    expect(faultsOf(made)).toEqual([]);
    expect(made.slotOf.get(x)).not.toBe(made.slotOf.get(product));
  });

  it('gives an output a slot of its own, also beside what only the first node needs', () => {
    const finite = allFinite([matrix('x')]);
    const [, parts] = nodeOf(finite)!.outputs;
    const made = schedule({ outputs: [multiply(finite, finite)] });
    expect(faultsOf(made)).toEqual([]);
    expect([...made.slotOf].filter(([, slot]) => slot === made.slotOf.get(parts!))).toHaveLength(1);
  });

  it('knows the leaves that a run reads: those of updates, behind views and among the outputs too', () => {
    const [x, w, shown, other] = [matrix('x'), matrix('w'), matrix('shown'), matrix('other')];
    const weight = one(2);
    const made = schedule({
      outputs: [add(reshape(x, [64]), reshape(x, [64])), reshape(shown, [64])],
      updates: [accumulate(w, x, weight)],
    });
    expect(new Set(made.leaves)).toEqual(new Set([x, w, weight, shown]));
    expect(made.leaves.has(other)).toBe(false);
    expect([...schedule({ outputs: [x] }).leaves]).toEqual([x]);
  });

  it('asks for a choice by its candidates, takes the first unless told, and keeps what was taken', () => {
    const [x, w] = [variable(undefined, [64, 64]), variable(undefined, [64, 64])];
    const request = { outputs: [matmul(x, w), matmul(w, x)] };
    const choices = choicesOf(request, PORTABLE);
    expect(choices).toHaveLength(1);
    const [{ key, candidates }] = choices as [(typeof choices)[number]];
    expect(candidates.length).toBeGreaterThan(1);
    const picked = (options?: ScheduleOptions) => schedule(request, options).picks.get(key)!.candidate;
    expect(picked().name).toBe(candidates[0]!.name);
    const last = candidates.at(-1)!.name;
    expect(picked({ choose: () => last }).name).toBe(last);
    expect(picked({ choose: () => undefined }).name).toBe(candidates[0]!.name);
    expect(picked({ choose: () => 'no such kernel' }).name).toBe(candidates[0]!.name);
    const kernels = (choose?: ScheduleOptions['choose']) =>
      new Set(
        schedule(request, { choose })
          .sources()
          .map(({ code }) => code),
      );
    expect(kernels(() => last)).not.toEqual(kernels());
  });

  it('writes out the kernel of each launch, the same text for the same kernel', () => {
    const x = matrix('x');
    const request = { outputs: [add(add(x, x), x), multiply(x, x)] };
    const plain = schedule(request).sources();
    expect(plain).toHaveLength(3);
    expect(plain[0]).toBe(plain[1]);
    expect(plain[2]!.code).not.toBe(plain[0]!.code);
    const checked = schedule(request, { checkBounds: true }).sources();
    const vectors = x.size / 4;
    const lengths = [vectors, vectors, vectors];
    expect(checked.map(({ checkedLengths }) => checkedLengths)).toEqual([lengths, lengths, lengths]);
    expect(plain.flatMap(({ checkedLengths }) => checkedLengths ?? [])).toEqual([]);
  });
});

describe('the description of a schedule', () => {
  it('counts bytes by what they hold, launches, kernels and operations', () => {
    const x = input([8, 8], 'x');
    const w = constant(undefined, [8, 8], 'w');
    const product = matmul(x, w);
    const squares = multiply(product, product);
    const total = sum(squares);
    const found = schedule({ outputs: [total] }).describe();
    expect(found).toMatchObject({
      dispatches: schedule({ outputs: [total] }).dispatches.length,
      constants: 256,
      variables: 256,
      outputs: 4,
      saved: 0,
      flops: 2 * 8 * 8 * 8,
      largest: 256,
    });
    // The product and its squares live together; nothing else is larger than the loss.
    expect(found.workspaceUnshared).toBeGreaterThanOrEqual(512);
    expect(found.workspace).toBeGreaterThanOrEqual(512);
    expect(found.total).toBe(256 + 256 + 4 + found.workspace);
    expect(found.kernels).toBe(
      new Set(
        schedule({ outputs: [total] })
          .sources()
          .map((s) => s.code),
      ).size,
    );
  });

  it('counts a kernel once however often it runs, and an output once however often it is named', () => {
    const x = matrix('x');
    const y = add(add(x, x), x);
    const found = schedule({ outputs: [y, y, reshape(y, [64]), x] }).describe();
    expect(found).toMatchObject({ dispatches: 2, kernels: 1, outputs: 256, variables: 256, constants: 0 });
    expect(found).toMatchObject({ workspace: 256, workspaceUnshared: 256, total: 768 });
  });

  it('takes the largest buffer of slots and leaves, and is empty for nothing', () => {
    const large = constant(undefined, [16, 16], 'large');
    expect(schedule({ outputs: [sum(large)] }).describe().largest).toBe(1024);
    const small = matrix('x');
    const wide = matmul(reshape(small, [64, 1]), reshape(small, [1, 64]));
    expect(schedule({ outputs: [wide] }).describe().largest).toBe(64 * 64 * 4);
    expect(schedule({}).describe()).toMatchObject({
      dispatches: 0,
      largest: 0,
      total: 0,
      flops: 0,
    });
  });

  it('says what is held for the backward pass: what is made up to the loss and read after it', () => {
    const held = (layers: number) => {
      const { loss, updates } = step(layers);
      return schedule({ outputs: [loss], updates, loss }).describe();
    };
    const [two, four] = [held(2), held(4)];
    expect(two.saved).toBeGreaterThan(0);
    // Each layer more holds the same more.
    expect((held(6).saved - four.saved) / (four.saved - two.saved)).toBeCloseTo(1, 6);
    const { loss, updates } = step(4);
    expect(schedule({ outputs: [loss], updates }).describe().saved).toBe(0);
    expect(four.workspace + four.saved + four.outputs + four.variables + four.constants).toBe(four.total);

    // By hand: y is read by its square's gradient; nothing else of the forward pass is.
    const w = matrix('w');
    const y = activation(w, 'gelu');
    const end = sum(multiply(y, y));
    const [gradient] = grad(end, [w]);
    expect(schedule({ outputs: [end, gradient!], loss: end }).describe().saved).toBe(256);
    // The loss itself is none of it.
    const total = sum(y);
    expect(schedule({ outputs: [multiply(total, total)], loss: total }).describe().saved).toBe(0);
    // An output outlives the run whatever reads it.
    expect(schedule({ outputs: [end, gradient!, y], loss: end }).describe().saved).toBe(0);
  });

  it('has the same pipeline for products that differ in sizes alone', () => {
    const products = [64, 96, 128].map((m) =>
      matmul(variable(undefined, [m, 64]), variable(undefined, [64, 64])),
    );
    expect(schedule({ outputs: products }).describe().kernels).toBe(1);
  });
});
