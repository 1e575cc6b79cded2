/** What an attention kernel is checked with: a launch of the same kind, small and odd, and its results in float64. */
import type { Dispatch } from '../../graph/dispatch.js';
import { Tensor, type Values } from '../../graph/tensor.js';
import type { Expected, Trial } from '../../graph/tunable.js';
import { largestOf, summationError, ULP } from '../tolerance.js';
import { type AttentionLaunch, HEAD_WIDTH } from './launch.js';
import { attentionBackward, attentionDelta, attentionForward, sizesOf } from './reference.js';

/** A prime: the last query tile and the last chunk of keys are not full. */
const TOKENS = 67;
const HEADS = 2;
const BATCH = 2;

/** A launch of the same kind for a few heads of a few tokens. */
export function smallAttention(launch: AttentionLaunch): AttentionLaunch {
  const small: Readonly<Record<string, number>> = { o: HEADS * HEAD_WIDTH, d_o: HEADS * HEAD_WIDTH };
  const made = new Map<string, Tensor>();
  const like = (tensors: Readonly<Record<string, Tensor>>) =>
    Object.fromEntries(
      Object.entries(tensors).map(([name, tensor]) => {
        const rows = name === 'lse' || name === 'delta';
        const shape = rows ? [BATCH, HEADS, TOKENS] : [BATCH, TOKENS, small[name] ?? 3 * HEADS * HEAD_WIDTH];
        const one = made.get(name) ?? new Tensor(shape, tensor.dtype, name);
        made.set(name, one);
        return [name, one];
      }),
    );
  return {
    ...launch,
    heads: HEADS,
    reads: like(launch.reads) as AttentionLaunch['reads'],
    writes: like(launch.writes),
  };
}

/**
 * The check of a kernel.
 *
 * @param dispatch a launch of it that computes `launch`
 */
export function attentionTrial(launch: AttentionLaunch, dispatch: Dispatch): Trial {
  const { entry, reads, writes } = launch;
  const sizes = sizesOf(reads.qkv, launch);
  const results = (inputOf: (tensor: Tensor) => Values, absolute = false): Record<string, Values> => {
    const value = (name: string) => inputOf(reads[name]!);
    if (entry === 'forward') return { ...attentionForward(value('qkv'), sizes, absolute) };
    const delta = entry === 'backward_dq' ? attentionDelta(value('o'), value('d_o'), sizes) : value('delta');
    const saved = { qkv: value('qkv'), lse: value('lse'), d_o: value('d_o'), delta };
    // `backward_dq` writes the gradient of q, `backward_dkv` those of k and v.
    const written = attentionBackward(saved, sizes, absolute).map((x, i) => {
      const part = Math.floor((i % (3 * sizes.heads * HEAD_WIDTH)) / (sizes.heads * HEAD_WIDTH));
      return (part === 0) === (entry === 'backward_dq') ? x : Number.NaN;
    });
    return { d_qkv: written, delta };
  };
  return {
    dispatches: [dispatch],
    inputs: Object.values(reads),
    expected: (inputOf) => {
      const values = results(inputOf);
      const sizesOfTerms = results(inputOf, true);
      const expected = new Map<Tensor, Expected>();
      for (const [name, tensor] of Object.entries(writes)) {
        // The absolute values of a row's terms add up to what the reference says; for delta and a score to less than HEAD_WIDTH.
        const terms = name === 'lse' || name === 'delta' ? HEAD_WIDTH : largestOf(sizesOfTerms[name]!);
        // Tensor cores round the weights P and their gradients dS to float16.
        const operands = reads.qkv.dtype === 'f16' && tensor.dtype === 'f16' ? ULP.f16 * terms : 0;
        const rounding = summationError(sizes.tokens + HEAD_WIDTH, 4 * terms) + operands;
        expected.set(tensor, {
          values: values[name]!,
          tolerance: ULP[tensor.dtype] * largestOf(values[name]!) + rounding,
        });
      }
      return expected;
    },
  };
}
