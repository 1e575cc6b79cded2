/** NaN and infinity in the inputs of every operation: nothing on the device swallows them. */
import { describe, expect, it } from 'vitest';
import type { Capabilities } from '../../../engine/capabilities.js';
import { type Example, everyExample } from '../../../engine/examples.js';
import { write } from '../../../engine/gpu/memory.js';
import { Plan } from '../../../engine/gpu/plan.js';
import { Schedule } from '../../../engine/gpu/schedule.js';
import { evaluate } from '../../../engine/graph/reference.js';
import { constant, type Tensor } from '../../../engine/graph/tensor.js';
import { recordingOrder } from '../../../engine/graph/traverse.js';
import { fromHalf } from '../../../engine/half.js';
import { kernelKey } from '../../../engine/kernels/kernelSource.js';
import { multiply } from '../../../engine/ops/multiply.js';
import { sum } from '../../../engine/ops/reduce.js';
import { grad } from '../../../engine/train/autograd.js';
import { kernelWays, TestRandom, testGpu, withCapabilities } from '../../helpers/check.js';

const nan = (bits: number) => new Float32Array(Uint32Array.of(bits).buffer);
/** As bits: a NaN loses its sign where it passes a number of the host. */
const POISONS = { NaN: nan(0x7fc00000), '-NaN': nan(0xffc00000), Infinity: Float32Array.of(Infinity) };

/** Rows in which one infinity leaves nothing that is a number, in float32 as in the reference. */
const ROWS = /^(softmax|logSoftmax|crossEntropy|klSoftmax|layerNorm|batchNorm|attention)/;

/** A call with a gradient that is data too, so that NaN can come from behind. */
function withGradient({ output, parameters, updates }: Example) {
  const outputs = output ? [output] : [];
  if (output && parameters.length > 0 && updates.length === 0) {
    const upstream = constant(undefined, output.shape, 'upstream');
    outputs.push(...grad(sum(multiply(output, upstream)), parameters));
  }
  const changed = updates.flatMap((node) => node.op.mutates!.map((i) => node.inputs[i]!));
  const leaves = new Set<Tensor>();
  for (const node of recordingOrder(outputs, updates))
    for (const input of node.inputs) if (input.leaf) leaves.add(input);
  return { outputs, updates, changed: [...new Set(changed)], leaves: [...leaves] };
}

const { capabilities } = await testGpu();
const ways = kernelWays.filter(([, { level }]) => level === 'portable' || capabilities.subgroups);

/** Compiling attention takes a CPU adapter seconds, and up to a minute where it is for GPUs: one form does for all, and one in float16. */
const skipped = (software: boolean) =>
  new Set([
    'attention 1 false',
    'attention 1 true',
    'attention 9 false',
    ...(software ? [] : ['attention in float16']),
  ]);

const seen = new Set<string>();

/** Whether none of the ways before has the same kernels for a call: most are alike. */
function isNew(call: Example, changed: Partial<Capabilities>): boolean {
  const { outputs, updates } = withGradient(call);
  const all = { ...capabilities, ...changed };
  const keys = new Schedule({ outputs, updates }, all).sources().map(kernelKey);
  const text = JSON.stringify([call.name, keys]);
  return !seen.has(text) && !!seen.add(text);
}

describe.each(ways)('for %s', (_, changed) => {
  const { software } = changed;
  const calls = everyExample().filter(({ name }) => !skipped(software!).has(name));
  for (const call of calls.filter((one) => isNew(one, changed)))
    it(`${call.name} passes NaN and infinity on`, async () => {
      const gpu = withCapabilities(await testGpu(), changed);
      const random = new TestRandom(7);
      const { outputs, updates, changed: variables, leaves } = withGradient(call);
      const start = new Map(
        leaves.map((leaf) => {
          const { data } = leaf.leaf!;
          // Positive: variances and second moments are among them.
          const drawn = () => random.array(leaf.size).map((x) => 1.5 + x);
          return [leaf, data instanceof Uint16Array ? fromHalf(data) : (data ?? drawn())] as const;
        }),
      );
      const plan = await Plan.compile(gpu, { outputs, updates }, { poison: true });
      for (const [poisoned, values] of start)
        for (const [name, bits] of Object.entries(POISONS)) {
          if (values instanceof Int32Array || (name === 'Infinity' && !ROWS.test(call.name))) continue;
          const at = Math.floor(((random.next() + 1) / 2) * values.length);
          const given = new Map(start);
          const bad = values.slice() as Float32Array;
          new Uint32Array(bad.buffer)[at] = new Uint32Array(bits.buffer)[0]!;
          given.set(poisoned, bad);
          for (const [leaf, data] of given) write(gpu, leaf, data);
          plan.run();
          const expected = evaluate(outputs, given, updates);
          for (const tensor of [...outputs, ...variables]) {
            const found = await plan.read(tensor);
            const lost = [...expected.get(tensor)!].flatMap((v, i) =>
              Number.isNaN(v) && Number.isFinite(found[i]) ? [`${i}: ${found[i]}`] : [],
            );
            expect(lost.slice(0, 8), `${name} at ${at} of ${poisoned}, in ${tensor}`).toEqual([]);
          }
        }
      plan.destroy();
    });
});
