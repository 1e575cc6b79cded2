import { describe, expect, it } from 'vitest';
import { attentionCandidates } from '../../../engine/attention/candidates.js';
import { expectedElement } from '../../../engine/attention/expected.js';
import type { AttentionEntry, AttentionLaunch } from '../../../engine/attention/launch.js';
import { grad } from '../../../engine/autograd.js';
import type { Capabilities } from '../../../engine/gpu.js';
import { attention, attentionGradient } from '../../../engine/ops/attention.js';
import { cast } from '../../../engine/ops/cast.js';
import { multiply } from '../../../engine/ops/multiply.js';
import { sum } from '../../../engine/ops/reduce.js';
import { evaluate } from '../../../engine/reference.js';
import { choicesOf } from '../../../engine/schedule.js';
import { constant, input, type Tensor } from '../../../engine/tensor.js';
import { Tuner } from '../../../engine/tuner.js';
import type { Choose, Tunable } from '../../../engine/tuning.js';
import { checkForward, TestRandom, testGpu, withCapabilities } from '../../helpers/check.js';

const { capabilities: own } = await testGpu();
/** The adapter of this test run as a GPU. */
const GPU: Partial<Capabilities> = { software: false };

/** What plans ask for an attention and its gradient: forward, queries, keys. */
function askedOf(qkv: Tensor, heads: number, causal: boolean, capabilities: Capabilities): Tunable[] {
  const o = attention(qkv, { heads, causal });
  const d_o = input(o.shape, 'd_o', 'f16');
  const gradient = attentionGradient(qkv, o, o.node!.outputs[1]!, d_o, { heads, causal });
  return choicesOf({ outputs: [o, gradient] }, capabilities);
}

describe('the candidates of attention', () => {
  const config = { componentType: 'f16', resultComponentType: 'f32', M: 16, N: 16, K: 16 };
  const cards: Capabilities = {
    ...own,
    ...{ software: false, level: 'matrix', f16: true, subgroupMatrix: [config] },
    ...{ subgroupSize: [32, 32], workgroupMemory: 49152 },
  };
  const launchOf = (dtype: 'f16' | 'f32'): AttentionLaunch => {
    const qkv = input([2, 197, 384], 'qkv', dtype);
    return {
      entry: 'forward',
      heads: 2,
      causal: false,
      reads: { qkv },
      writes: { o: input([2, 197, 128], 'o', dtype) },
    };
  };
  const names = (dtype: 'f16' | 'f32', capabilities: Capabilities) =>
    attentionCandidates(launchOf(dtype), capabilities).map(({ name, experimental }) =>
      experimental ? `${name} (experimental)` : name,
    );

  it('are matrices only as experiments, only for float16, and only those that fit', () => {
    expect(names('f16', cards)).toEqual(['attention', 'matrix f16 16x16x16 (experimental)']);
    expect(names('f32', cards)).toEqual(['attention']);
    for (const changed of [
      { software: true },
      { level: 'subgroups' },
      { f16: false },
      { workgroupMemory: 16384 },
      { subgroupSize: [8, 8] },
      { subgroupMatrix: [{ ...config, resultComponentType: 'f16' }] },
      { subgroupMatrix: [{ ...config, componentType: 'f32' }] },
      { subgroupMatrix: [{ ...config, K: 4 }] },
    ] as const)
      expect(names('f16', { ...cards, ...changed }).some((name) => name.startsWith('matrix'))).toBe(false);
  });

  it('are expected to give what the reference gives, element by element', () => {
    const [batch, tokens, heads] = [2, 5, 2];
    const random = new TestRandom(5);
    for (const causal of [false, true]) {
      const qkv = random.variable([batch, tokens, 192 * heads], 'qkv', 2);
      const o = attention(qkv, { heads, causal });
      const lse = o.node!.outputs[1]!;
      const d_o = random.variable(o.shape, 'd_o');
      const d_qkv = attentionGradient(qkv, o, lse, d_o, { heads, causal });
      const delta = d_qkv.node!.outputs[1]!;
      const values = evaluate([o, lse, d_qkv, delta]);
      const inputs = {
        qkv: qkv.leaf!.data as Float32Array,
        d_o: d_o.leaf!.data as Float32Array,
        o: values.get(o)!,
        lse: values.get(lse)!,
        delta: values.get(delta)!,
      };
      const check = (entry: AttentionEntry, output: string, tensor: Tensor) => {
        const launch = { entry, heads, causal, reads: { qkv }, writes: {} };
        let written = 0;
        values.get(tensor)!.forEach((value, at) => {
          const expected = expectedElement(launch, inputs, output, at);
          if (expected === undefined) return;
          expect(expected).toBeCloseTo(value, 10);
          written++;
        });
        return written / tensor.size;
      };
      expect(check('forward', 'o', o)).toBe(1);
      expect(check('forward', 'lse', lse)).toBe(1);
      expect(check('queries', 'delta', delta)).toBe(1);
      expect(check('queries', 'd_qkv', d_qkv)).toBeCloseTo(1 / 3);
      expect(check('keys', 'd_qkv', d_qkv)).toBeCloseTo(2 / 3);
    }
  });

  it('agree with each other before a tuner, as far as this adapter runs them', async () => {
    const gpu = withCapabilities(await testGpu(), GPU);
    const names = new Map<string, string>();
    const notes: string[] = [];
    const tuner = new Tuner(
      { get: (key) => names.get(key), set: (key, name) => names.set(key, name) },
      { repeats: 1, leastMs: 0, onNote: (note) => notes.push(note) },
    );
    const asked = askedOf(new TestRandom(1).halves([2, 19, 192], 'qkv', 2), 1, true, gpu.capabilities);
    expect(asked.map(({ key }) => key.split(' ')[1])).toEqual(['forward', 'queries', 'keys']);
    // A tuner does not ask where there is nothing to choose from: the same kernel twice is a choice.
    const doubled = asked.map((tunable) => {
      const [first, ...rest] = tunable.candidates;
      return { ...tunable, candidates: [first!, ...rest, { ...first!, name: 'the first again' }] };
    });
    await tuner.prepare(gpu, doubled);
    expect(notes.filter((note) => note.includes('is not used'))).toEqual([]);
    expect(names.size).toBe(3);
  });

  it('are refused by a tuner when an entry writes what is another entry’s, or leaves its own', async () => {
    const gpu = withCapabilities(await testGpu(), { ...GPU, level: 'portable' });
    const asked = askedOf(new TestRandom(1).halves([1, 9, 192], 'qkv', 2), 1, false, gpu.capabilities);
    const notes: string[] = [];
    const tuner = new Tuner(
      { get: () => undefined, set: () => {} },
      { repeats: 1, leastMs: 0, onNote: (n) => notes.push(n) },
    );
    for (const { key, candidates, expected } of asked.slice(1)) {
      const right = candidates[0]!;
      const lazy = {
        name: 'lazy',
        dispatch: () => ({ ...right.dispatch(), workgroups: [0, 0, 0] as const }),
      };
      await tuner.prepare(gpu, [{ key, candidates: [right, lazy], expected }]);
      // The same kernel, said to write everything: what it leaves is missing then.
      const greedy: Tunable['expected'] = (values, output, at) => expected(values, output, at) ?? 0;
      const all = { key: `${key}, greedy`, candidates: [right, right], expected: greedy };
      await expect(tuner.prepare(gpu, [all])).rejects.toThrow('no kernel computes');
    }
    expect(notes.filter((note) => note.includes('lazy is not used'))).toHaveLength(2);
    expect(notes.filter((note) => note.includes('greedy: attention is not used'))).toHaveLength(4);
  });
});

// lavapipe of Mesa 26 has matrices of 8 x 8 x 8 (scripts/mesa-matrix.sh); other adapters here only compile these kernels.
if (own.level === 'matrix')
  describe('attention on subgroup matrices', () => {
    const choose: Choose = ({ candidates }) => {
      const found = candidates.find(({ name }) => name.startsWith('matrix'));
      expect(found).toBeDefined();
      return found!.name;
    };
    // P and dS are rounded as operands, results as they are stored.
    const tolerance = 1e-3;
    for (const [batch, tokens, heads, causal] of [
      [1, 1, 1, false],
      [2, 33, 2, true],
      [1, 65, 2, false],
    ] as const)
      it(`agrees with the reference, forward${tokens > 1 ? ' and backward' : ''}: ${batch} x ${tokens}, ${heads} heads${causal ? ', causal' : ''}`, async () => {
        const random = new TestRandom(tokens);
        const qkv = random.halves([batch, tokens, 192 * heads], 'qkv', 2);
        const o = attention(qkv, { heads, causal });
        const outputs = [o, o.node!.outputs[1]!];
        await checkForward(outputs, { capabilities: GPU, choose, tolerance });
        // Without loops lavapipe compiles each kernel for half a minute.
        if (tokens === 1) return;
        const weights = constant(random.array(o.size), o.shape);
        const [gradient] = grad(sum(multiply(cast(o, 'f32'), weights)), [qkv]);
        await checkForward([gradient!], { capabilities: GPU, choose, tolerance });
      });
  });
