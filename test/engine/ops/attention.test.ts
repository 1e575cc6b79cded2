import { describe, expect, it } from 'vitest';
import { UserError } from '../../../engine/errors.js';
import { Plan } from '../../../engine/gpu/plan.js';
import { nodeOf } from '../../../engine/graph/op.js';
import { evaluate } from '../../../engine/graph/reference.js';
import { constant, type Tensor, variable } from '../../../engine/graph/tensor.js';
import { attention, attentionGradient } from '../../../engine/ops/attention.js';
import { cast } from '../../../engine/ops/cast.js';
import { matmul } from '../../../engine/ops/matmul.js';
import { multiply } from '../../../engine/ops/multiply.js';
import { sum } from '../../../engine/ops/reduce.js';
import { grad } from '../../../engine/train/autograd.js';
import {
  checkForward,
  checkGradient,
  gpuAndCpu,
  kernelWays,
  relativeError,
  TestRandom,
  testGpu,
} from '../../helpers/check.js';
import { plainAttention } from '../../helpers/plainAttention.js';

/** [batch, tokens, heads, causal]: around the 32 rows of a workgroup and the 64 of a chunk, and CLIP's own lengths. */
const shapes = [
  [1, 1, 1, false],
  [3, 2, 2, true],
  [2, 3, 3, false],
  [1, 7, 1, true],
  [2, 17, 2, true],
  [1, 31, 2, false],
  [1, 32, 1, true],
  [2, 33, 2, true],
  [2, 41, 2, false],
  [1, 63, 1, true],
  [1, 64, 1, false],
  [2, 65, 2, true],
  [1, 77, 3, true],
  [1, 97, 1, true],
  [1, 129, 1, false],
  [1, 201, 2, false],
  [1, 577, 1, false],
] as const;

const lseOf = (o: Tensor): Tensor => nodeOf(o)!.outputs[1]!;

async function run(...outputs: Tensor[]): Promise<Float32Array[]> {
  const plan = await Plan.compile(await testGpu(), { outputs }, { poison: true });
  plan.run();
  const values: Float32Array[] = [];
  for (const output of outputs) values.push(await plan.read(output));
  plan.destroy();
  return values;
}

/** `[1, tokens, 3 * 64]` from the first columns of q, k and v of every token; the rest is zero. */
function packed(rows: readonly { q?: number[]; k?: number[]; v?: number[] }[]): Tensor {
  const data = new Float32Array(rows.length * 192);
  rows.forEach(({ q = [], k = [], v = [] }, t) => {
    for (const [part, values] of [q, k, v].entries()) data.set(values, t * 192 + part * 64);
  });
  return variable(data, [1, rows.length, 192], 'qkv');
}

describe('attention', () => {
  it('averages by hand', async () => {
    // q . k / 8 is log 3 for key 0 and 0 for key 1: weights 3/4 and 1/4.
    const qkv = packed([
      { q: [8], k: [Math.log(3)], v: [4, 8] },
      { q: [8], k: [0], v: [0, -8] },
    ]);
    for (const [causal, expected, lse] of [
      [false, [3, 4, 3, 4], [4, 4]],
      [true, [4, 8, 3, 4], [3, 4]],
    ] as const) {
      const o = attention(qkv, { heads: 1, causal });
      expect(o.shape).toEqual([1, 2, 64]);
      const [values, logs] = await run(o, lseOf(o));
      for (const [i, at] of [0, 1, 64, 65].entries()) expect(values![at]).toBeCloseTo(expected[i]!, 5);
      expect(values!.filter((_, i) => i % 64 > 1).every((v) => v === 0)).toBe(true);
      for (const i of [0, 1]) expect(logs![i]).toBeCloseTo(Math.log(lse[i]!), 5);
      await checkForward([o, lseOf(o)]);
    }
  });

  for (const [way, capabilities] of kernelWays.filter(
    ([, { software, level }]) => software === (level === 'subgroups'),
  )) {
    for (const [batch, tokens, heads, causal] of shapes)
      it(`agrees with the reference on ${way}: ${batch} x ${tokens}, ${heads} heads${causal ? ', causal' : ''}`, async () => {
        const random = new TestRandom(tokens);
        const o = attention(random.variable([batch, tokens, 192 * heads], 'qkv', 2), { heads, causal });
        await checkForward([o, lseOf(o)], { capabilities });
        // The kernel without the second output is another one; once is enough.
        if (tokens < 4) await checkForward([o], { capabilities });
      });

    for (const [batch, tokens, heads, causal] of [
      [2, 7, 1, true],
      [1, 31, 1, true],
      [2, 33, 2, false],
      [2, 65, 2, true],
      [1, 97, 1, false],
      [1, 129, 1, false],
      [1, 261, 1, false],
      [1, 577, 1, false],
    ] as const)
      it(`has the reference's gradient on ${way}: ${batch} x ${tokens}, ${heads} heads${causal ? ', causal' : ''}`, async () => {
        const random = new TestRandom(tokens);
        const qkv = random.variable([batch, tokens, 192 * heads], 'qkv', 2);
        const o = attention(qkv, { heads, causal });
        const weights = constant(random.array(o.size), o.shape);
        await checkForward(grad(sum(multiply(o, weights)), [qkv]), { capabilities });
      });
  }

  for (const [way, { software }] of gpuAndCpu)
    it(`takes float16 and gives it, with its gradient, on ${way} without tensor cores`, async () => {
      const random = new TestRandom(8);
      for (const [batch, tokens, heads, causal] of [
        [1, 1, 1, false],
        [2, 17, 2, true],
        [1, 65, 1, false],
        [1, 97, 2, true],
      ] as const) {
        const qkv = random.variable([batch, tokens, 192 * heads], 'qkv');
        const o = attention(cast(qkv, 'f16'), { heads, causal });
        expect(o.dtype).toBe('f16');
        const z = matmul(o, random.variable([batch, 4, 64 * heads], 'w', 0.1), { transposeB: true });
        const outputs = [o, lseOf(o), ...grad(sum(multiply(z, z)), [qkv])];
        // Gradients go through two or three results that are rounded to 11 bits.
        await checkForward(outputs, { tolerance: 1.5e-3, capabilities: { software, subgroupMatrix: [] } });
      }
    });

  it('agrees with plain operations that write the scores out, on the device, forward and backward', async () => {
    const random = new TestRandom(7);
    const qkv = random.variable([2, 197, 384], 'qkv', 2);
    const weights = random.variable([2, 197, 128]);
    const [fused, plain] = [attention(qkv, { heads: 2, causal: false }), plainAttention(qkv, 2)];
    const gradientOf = (o: Tensor) => grad(sum(multiply(o, weights)), [qkv])[0]!;
    const [o, p, dO, dP] = await run(fused, plain, gradientOf(fused), gradientOf(plain));
    expect(relativeError(o!, p!)).toBeLessThan(2e-6);
    expect(relativeError(dO!, dP!)).toBeLessThan(2e-6);
  });

  for (const causal of [false, true])
    it(`has the right gradient by differences${causal ? ', causal' : ''}`, async () => {
      const random = new TestRandom(9);
      for (const [batch, tokens, heads] of [[2, 5, 2], causal ? [1, 18, 1] : [1, 1, 1]] as const) {
        const qkv = random.variable([batch, tokens, 192 * heads], 'qkv', 2);
        await checkGradient(attention(qkv, { heads, causal }), [qkv], { samples: 40 });
      }
    });

  it('is exact for scores around 100 and finite for scores around 100000', async () => {
    const random = new TestRandom(3);
    const qkv = random.variable([1, 129, 192], 'qkv', 20);
    const o = attention(qkv, { heads: 1, causal: false });
    await checkForward([o, lseOf(o)], { tolerance: 1e-4 });

    const large = random.array(129 * 192, 1000).map((x, i) => (i % 192 < 128 ? x : 1));
    const x = variable(large, [1, 129, 192]);
    const y = attention(x, { heads: 1, causal: false });
    const [values, gradient] = await run(y, grad(sum(y), [x])[0]!);
    // Whatever the weights, they sum to one.
    for (const value of values!) expect(value).toBeCloseTo(1, 5);
    for (const value of gradient!) expect(Number.isFinite(value)).toBe(true);
  });

  it('does not see later tokens when causal, to the last bit', async () => {
    const tokens = 77;
    const random = new TestRandom(4);
    const data = random.array(tokens * 192, 2);
    const whole = attention(variable(data, [1, tokens, 192]), { heads: 1, causal: true });
    const [expected] = await run(whole);
    for (const seen of [1, 16, 40, 64, 76]) {
      const changed = data.map((x, i) => (i < seen * 192 ? x : 50 * random.next()));
      const other = attention(variable(changed, [1, tokens, 192]), { heads: 1, causal: true });
      const [values] = await run(other);
      expect(values!.slice(0, seen * 64)).toEqual(expected!.slice(0, seen * 64));
      expect(values!.slice(seen * 64)).not.toEqual(expected!.slice(seen * 64));
    }
    const short = attention(variable(data.slice(0, 40 * 192), [1, 40, 192]), { heads: 1, causal: true });
    const [cut] = await run(short);
    cut!.forEach((value, i) => {
      expect(value).toBeCloseTo(expected![i]!, 5);
    });
  });

  it('gives the same bits on every run', async () => {
    const qkv = new TestRandom(5).variable([2, 129, 192]);
    const o = attention(qkv, { heads: 1, causal: false });
    const outputs = [o, grad(sum(multiply(o, o)), [qkv])[0]!];
    expect(await run(...outputs)).toEqual(await run(...outputs));
  });

  it('makes its own gradient from both outputs', () => {
    const qkv = new TestRandom(6).variable([1, 3, 192]);
    const options = { heads: 1, causal: true };
    const o = attention(qkv, options);
    const ones = constant(new Float32Array(o.size).fill(1), o.shape);
    const direct = attentionGradient(qkv, o, lseOf(o), ones, options);
    const [derived] = grad(sum(o), [qkv]);
    const values = evaluate([direct, derived!]);
    expect(values.get(direct)).toEqual(values.get(derived!));
  });

  it('refuses what does not fit', () => {
    const qkv = variable(undefined, [2, 3, 384]);
    const o = attention(qkv, { heads: 2, causal: false });
    for (const wrong of [
      () => attention(qkv, { heads: 1, causal: false }),
      () => attention(qkv, { heads: 0, causal: false }),
      () => attention(variable(undefined, [3, 384]), { heads: 2, causal: false }),
      () => attentionGradient(qkv, o, lseOf(o), lseOf(o), { heads: 2, causal: false }),
      () => attentionGradient(qkv, o, o, o, { heads: 2, causal: false }),
    ])
      expect(wrong).toThrow(UserError);
  });
});
