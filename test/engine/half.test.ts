/** Float16 storage: what each operation that takes it makes of it, against the float64 reference on the rounded inputs. */
import { Float16Array } from '@petamoriken/float16';
import { describe, expect, it } from 'vitest';
import { readLeaf, write } from '../../engine/gpu/memory.js';
import { Plan } from '../../engine/gpu/plan.js';
import { nodeOf } from '../../engine/graph/op.js';
import { evaluate } from '../../engine/graph/reference.js';
import { constant, input, type Shape, type Tensor } from '../../engine/graph/tensor.js';
import { fromHalf, roundHalves, toHalf } from '../../engine/half.js';
import { activation } from '../../engine/ops/activation.js';
import { add } from '../../engine/ops/add.js';
import { cast } from '../../engine/ops/cast.js';
import { gatherRows, scatterRows } from '../../engine/ops/gatherRows.js';
import { layerNorm } from '../../engine/ops/layerNorm.js';
import { linear } from '../../engine/ops/linear.js';
import { matmul } from '../../engine/ops/matmul.js';
import { multiply } from '../../engine/ops/multiply.js';
import { sum } from '../../engine/ops/reduce.js';
import { grad } from '../../engine/train/autograd.js';
import { checkForward, gpuAndCpu, relativeError, TestRandom, testGpu } from '../helpers/check.js';

/** Results stored as float16 are rounded once: half a unit in the last of 11 bits, 4.9e-4, at the most. */
const ROUNDED = 5e-4;
/** Gradients go through two or three such results. */
const THREE_TIMES = 1.5e-3;

const random = new TestRandom(16);
const halves = (shape: Shape, scale = 1): Tensor => random.halves(shape, 'half', scale);

describe('conversion on the host', () => {
  it('rounds to nearest even, to infinity beyond 65520, and back exactly', () => {
    const values = [
      0,
      -0,
      1,
      1 + 2 ** -11,
      1 + 3 * 2 ** -11,
      65_504,
      65_519,
      65_520,
      -1e6,
      2 ** -24,
      2 ** -25,
      NaN,
    ];
    expect([...fromHalf(toHalf(Float32Array.from(values)))]).toEqual([
      0,
      -0,
      1,
      1,
      1 + 2 ** -9,
      65_504,
      65_504,
      Infinity,
      -Infinity,
      2 ** -24,
      0,
      NaN,
    ]);
  });
  it('gives back each of the 65,536 bit patterns, but for the payloads of NaN', () => {
    const bits = Uint16Array.from({ length: 65_536 }, (_, i) => i);
    const back = toHalf(fromHalf(bits));
    const wrong = bits.filter((b) => back[b] !== b && !Number.isNaN(fromHalf(Uint16Array.of(b))[0]));
    expect([...wrong]).toEqual([]);
  });
});

/** Float32 values by their bits. */
const ofBits = (words: Uint32Array<ArrayBuffer>) => new Float32Array(words.buffer);

describe('rounding in bulk, against @petamoriken/float16', () => {
  const library = (values: Float32Array) => new Uint16Array(new Float16Array(values).buffer);
  const same = (values: Float32Array) => {
    const [ours, theirs] = [toHalf(values), library(values)];
    const wrong = ours.findIndex((half, i) => half !== theirs[i]);
    expect(wrong < 0 ? 'the same' : `${values[wrong]}: ${ours[wrong]}, not ${theirs[wrong]}`).toBe(
      'the same',
    );
  };

  it('agrees beside every float16, half way between any two, and one float32 to either side', () => {
    const words: number[] = [];
    for (let half = 0; half < 0x7c00; half++) {
      const [below, above] = fromHalf(Uint16Array.of(half, half + 1)) as unknown as [number, number];
      const middle = Number.isFinite(above) ? (below + above) / 2 : 65_520;
      for (const value of [below, middle]) {
        const word = new Uint32Array(Float32Array.of(value).buffer)[0]!;
        for (const near of [word - 1, word, word + 1])
          if (near >= 0) words.push(near, (near | 0x80000000) >>> 0);
      }
    }
    same(ofBits(Uint32Array.from(words)));
  });
  it('agrees at every exponent, with the shortest and longest fractions and some between', () => {
    const fractions = [0, 1, 0xfff, 0x1000, 0x1001, 0x1fff, 0x2000, 0x3000, 0x400000, 0x7fe000, 0x7fffff];
    const words: number[] = [];
    for (let exponent = 0; exponent < 512; exponent++)
      // A NaN whose first bit of the fraction is 0 may be changed by a mere copy.
      for (const fraction of fractions)
        if (exponent % 256 < 255 || fraction === 0 || fraction >= 0x400000)
          words.push(((exponent << 23) | fraction) >>> 0);
    same(ofBits(Uint32Array.from(words)));
  });
  it('agrees on random bits', () => {
    const random = new TestRandom(7);
    const words = Uint32Array.from({ length: 200_000 }, () => Math.floor(random.next() * 2 ** 32));
    same(ofBits(words).map((value) => (Number.isNaN(value) ? 0 : value)));
  });
  it('names the first finite value that is too large, and no other', () => {
    expect(roundHalves(Float32Array.of(1, Infinity, NaN, 65_519)).overflow).toBe(undefined);
    expect(roundHalves(Float32Array.of(1, -Infinity, -65_520, 1e9)).overflow).toBe(-65_520);
  });
  it('says where the first is that was infinite or NaN before', () => {
    expect(roundHalves(Float32Array.of(1, 1e9, -65_520)).notFinite).toBe(undefined);
    expect(roundHalves(Float32Array.of(1, 1e9, NaN, Infinity)).notFinite).toBe(2);
    expect(roundHalves(Float32Array.of(-Infinity, NaN)).notFinite).toBe(0);
  });
  it('reads a part of a buffer from where it begins', () => {
    expect([...fromHalf(toHalf(Float32Array.of(9, 1, 2, 9).subarray(1, 3)))]).toEqual([1, 2]);
  });
});

describe('float16 tensors', () => {
  it('take two bytes an element and need a last size that is a multiple of 4', () => {
    expect(halves([3, 8]).bytes).toBe(48);
    expect(() => constant(undefined, [3, 6], 'w', 'f16')).toThrow('multiple of 4');
    expect(() => cast(random.variable([3, 6]), 'f16')).toThrow('multiple of 4');
    expect(() => add(halves([4]), random.variable([4]))).toThrow('add takes no float16');
  });
  it('are written from float32 and read back', async () => {
    const gpu = await testGpu();
    const leaf = constant(undefined, [2, 4], 'leaf', 'f16');
    const values = Float32Array.of(1, -2, 0.5, 65_504, 2 ** -24, 0.1, 3, 4);
    write(gpu, leaf, values);
    expect([...(await readLeaf(gpu, leaf))]).toEqual([...fromHalf(toHalf(values))]);
    expect(() => write(gpu, leaf, new Int32Array(8))).toThrow('is f16');
  });
  it('become infinite when they overflow on the device, which loss scaling depends on', async () => {
    const gpu = await testGpu();
    const x = input([1, 8]);
    const y = cast(x, 'f16');
    const plan = await Plan.compile(gpu, { outputs: [y] });
    write(gpu, x, Float32Array.of(65_504, 65_536, -70_000, 1e9, -1e38, 1e-9, NaN, 0.1));
    plan.run();
    const read = [...(await plan.read(y))];
    expect(read.slice(0, 7)).toEqual([65_504, Infinity, -Infinity, Infinity, -Infinity, 0, NaN]);
    expect(Number.isFinite(read[6])).toBe(false);
    expect(read[7]).toBe(fromHalf(toHalf(Float32Array.of(0.1)))[0]);
    plan.destroy();
  });
});

for (const [way, capabilities] of gpuAndCpu)
  describe(`operations in float16 on ${way}`, () => {
    it('cast', async () => {
      await checkForward([cast(random.variable([3, 5, 8]), 'f16')], { tolerance: ROUNDED, capabilities });
      await checkForward([cast(halves([7, 12]), 'f32')], { tolerance: 1e-7, capabilities });
    });

    for (const [transposeA, transposeB] of [
      [false, false],
      [false, true],
      [true, false],
      [true, true],
    ] as const)
      it(`matmul, transposed ${transposeA}, ${transposeB}`, async () => {
        for (const [batch, m, n, k] of [
          [1, 4, 4, 4],
          [2, 12, 20, 8],
          [1, 68, 132, 36],
          [1, 128, 128, 64],
          [1, 132, 124, 60],
        ] as const) {
          const a = halves(transposeA ? [batch, k, m] : [batch, m, k]);
          const b = halves(transposeB ? [batch, n, k] : [batch, k, n]);
          const options = { transposeA, transposeB };
          const single = (like: Tensor) => random.variable(like.shape);
          await checkForward([matmul(a, b, options), matmul(single(a), b, options)], { capabilities });
          await checkForward(
            [matmul(a, b, { ...options, dtype: 'f16' }), matmul(a, single(b), { ...options, dtype: 'f16' })],
            { tolerance: ROUNDED, capabilities },
          );
        }
      });

    it('matmul with odd row counts', async () => {
      for (const m of [1, 3, 7, 65, 127])
        await checkForward(
          [
            matmul(halves([m, 24]), halves([36, 24]), { transposeB: true, dtype: 'f16' }),
            matmul(halves([m, 24]), halves([24, 20]), { dtype: 'f16' }),
          ],
          { tolerance: ROUNDED, capabilities },
        );
    });

    it('linear with every epilogue', async () => {
      for (const kind of [undefined, 'quickGelu', 'gelu', 'relu'] as const) {
        const [x, w, bias] = [halves([3, 7, 24]), halves([20, 24]), random.variable([20])];
        const y = linear(x, w, bias, { activation: kind, dtype: 'f16' });
        const residual = add(random.variable([3, 7, 20]), linear(x, w, bias, { activation: kind }));
        await checkForward([y, nodeOf(y)!.outputs[1]!], { tolerance: ROUNDED, capabilities });
        await checkForward([residual], { capabilities });
        // A bias is float32 and may be trained beside float16 weights.
        await checkForward(grad(sum(cast(y, 'f32')), [bias]), { tolerance: ROUNDED, capabilities });
      }
    });

    it('gatherRows and its backward pass', async () => {
      const indices = constant(Int32Array.of(3, 0, 3, 99), [4], 'indices');
      await checkForward([gatherRows(halves([5, 12]), indices)], { tolerance: 1e-7, capabilities });
      await checkForward([scatterRows(halves([4, 12]), indices, 6)], { tolerance: ROUNDED, capabilities });
    });

    it('activation', async () => {
      for (const kind of ['quickGelu', 'gelu', 'relu'] as const)
        await checkForward([activation(halves([5, 12], 4), kind)], { tolerance: ROUNDED, capabilities });
    });

    it('layerNorm and its gradient', async () => {
      // Rows of few columns lose most of their gradient to its two means: what is left is mostly rounding.
      for (const [rows, width] of [
        [1, 20],
        [7, 68],
        [65, 128],
        [3, 768],
        [2, 1028],
      ] as const) {
        const x = random.variable([rows, width]);
        const [gamma, beta] = [random.variable([width]), random.variable([width])];
        const y = layerNorm(x, gamma, beta, 1e-5, 'f16');
        await checkForward([y], { tolerance: ROUNDED, capabilities });
        const z = matmul(y, random.variable([8, width], 'w', 0.1), { transposeB: true });
        const gradients = grad(sum(multiply(z, z)), [x, gamma, beta]);
        await checkForward(gradients, { tolerance: THREE_TIMES, capabilities });
      }
    });
  });

it('a chain of float16 layers has the gradients of the float32 one', async () => {
  const gpu = await testGpu();
  const shape: Shape = [9, 32];
  const x = random.variable(shape, 'x');
  const [w1, w2, w3] = [random.array(64 * 32, 0.3), random.array(32 * 64, 0.3), random.array(32 * 32, 0.3)];
  const weight = (values: Float32Array, size: Shape) => constant(toHalf(values), size);
  const ones = constant(new Float32Array(32).fill(1), [32]);
  const zeros = constant(new Float32Array(32), [32]);
  const build = (dtype: 'f16' | 'f32') => {
    const normal = layerNorm(x, ones, zeros, 1e-5, dtype);
    const hidden = linear(normal, weight(w1, [64, 32]), undefined, { activation: 'quickGelu', dtype });
    const y = linear(add(x, linear(hidden, weight(w2, [32, 64]))), weight(w3, [32, 32]));
    return grad(sum(multiply(y, y)), [x]);
  };
  const [half] = build('f16');
  const exact = evaluate(build('f32'));
  const plan = await Plan.compile(gpu, { outputs: [half!] }, { poison: true });
  plan.run();
  expect(relativeError(await plan.read(half!), [...exact.values()].at(-1)!)).toBeLessThan(THREE_TIMES);
  plan.destroy();
});
