import { describe, expect, it } from 'vitest';
import type { Capabilities } from '../../../../engine/capabilities.js';
import { runTrials } from '../../../../engine/gpu/runTrials.js';
import { choicesOf } from '../../../../engine/gpu/schedule.js';
import type { Dispatch } from '../../../../engine/graph/dispatch.js';
import { nodeOf } from '../../../../engine/graph/op.js';
import { constant, input, type Tensor } from '../../../../engine/graph/tensor.js';
import type { Candidate, Choose, Tunable } from '../../../../engine/graph/tunable.js';
import { attentionCandidates } from '../../../../engine/kernels/attention/candidates.js';
import type { AttentionLaunch } from '../../../../engine/kernels/attention/launch.js';
import { attention, attentionGradient } from '../../../../engine/ops/attention.js';
import { cast } from '../../../../engine/ops/cast.js';
import { multiply } from '../../../../engine/ops/multiply.js';
import { sum } from '../../../../engine/ops/reduce.js';
import { grad } from '../../../../engine/train/autograd.js';
import { checkForward, TestRandom, testGpu, withCapabilities } from '../../../helpers/check.js';

const { capabilities: own } = await testGpu();
/** The adapter of this test run as a GPU. */
const GPU: Partial<Capabilities> = { software: false };

/** What plans ask for an attention and its gradient: forward, backward_dq, backward_dkv. */
function askedOf(qkv: Tensor, heads: number, causal: boolean, capabilities: Capabilities): Tunable[] {
  const o = attention(qkv, { heads, causal });
  const d_o = input(o.shape, 'd_o', qkv.dtype);
  const gradient = attentionGradient(qkv, o, nodeOf(o)!.outputs[1]!, d_o, { heads, causal });
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
    attentionCandidates(launchOf(dtype), capabilities).map(({ name }) => name);

  it('are matrices first, only for float16, and only those that fit', () => {
    expect(names('f16', cards)).toEqual(['tensor-core f16 16x16x16', 'shared-memory-tiled']);
    expect(names('f32', cards)).toEqual(['shared-memory-tiled']);
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
      expect(names('f16', { ...cards, ...changed }).some((name) => name.startsWith('tensor-core'))).toBe(
        false,
      );
  });

  it('are accepted by their trials, as far as this adapter runs them', async () => {
    const gpu = withCapabilities(await testGpu(), GPU);
    for (const dtype of ['f32', 'f16'] as const)
      for (const causal of [false, true]) {
        const random = new TestRandom(1);
        const qkv =
          dtype === 'f16' ? random.halves([2, 19, 192], 'qkv') : random.variable([2, 19, 192], 'qkv');
        const asked = askedOf(qkv, 1, causal, gpu.capabilities);
        expect(asked.map(({ key }) => key.split(' ')[1])).toEqual(['forward', 'backward_dq', 'backward_dkv']);
        for (const tunable of asked) {
          const trials = tunable.candidates.map((candidate) => tunable.trial(candidate));
          expect(await runTrials(gpu, trials), tunable.key).toEqual(trials.map(() => undefined));
        }
      }
  });

  it('are refused by their trials when an entry leaves what is its own, or sees a token too few', async () => {
    const gpu = withCapabilities(await testGpu(), { ...GPU, level: 'portable' });
    const asked = askedOf(new TestRandom(1).variable([1, 9, 192], 'qkv'), 1, false, gpu.capabilities);
    for (const tunable of asked) {
      const right = tunable.candidates[0]!;
      const changed = (change: (dispatch: Dispatch) => object): Candidate => ({
        name: 'changed',
        dispatch: (work) => ({ ...right.dispatch(work), ...change(right.dispatch(work)) }) as Dispatch,
      });
      const lazy = changed((dispatch) => {
        const [x, y, z] = 'workgroups' in dispatch ? dispatch.workgroups : [0, 0, 0];
        return { workgroups: [x, y - 1, z] };
      });
      const blind = changed(({ uniforms }) => ({
        uniforms: { ...uniforms, TOKENS: (uniforms!.TOKENS as number) - 1 },
      }));
      const faults = await runTrials(gpu, [tunable.trial(lazy), tunable.trial(blind)]);
      expect(
        faults.every((fault) => fault !== undefined),
        `${tunable.key}: ${faults}`,
      ).toBe(true);
    }
  });
});

// lavapipe of Mesa 26 has matrices of 8 x 8 x 8 (scripts/mesa-matrix.sh); other adapters here only compile these kernels.
if (own.level === 'matrix')
  describe('attention on tensor cores', () => {
    const choose: Choose = ({ candidates }) => {
      const found = candidates.find(({ name }) => name.startsWith('tensor-core'));
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
        const outputs = [o, nodeOf(o)!.outputs[1]!];
        await checkForward(outputs, { capabilities: GPU, choose, tolerance });
        // Without loops lavapipe compiles each kernel for half a minute.
        if (tokens === 1) return;
        const weights = constant(random.array(o.size), o.shape);
        const [gradient] = grad(sum(multiply(cast(o, 'f32'), weights)), [qkv]);
        await checkForward([gradient!], { capabilities: GPU, choose, tolerance });
      });
  });
