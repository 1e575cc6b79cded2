/**
 * Scaled dot-product attention, every head HEAD_WIDTH = 64 columns wide, and its gradient.
 *   S = q k^T / 8 (over the keys up to the query's own when causal),  P = softmax(S),  o = P v,  lse = log sum exp S
 *   dP = do v^T,  D = rowsum(do ∘ o),  dS = P ∘ (dP - D),  dq = dS k / 8,  dk = dS^T q / 8,  dv = P^T do
 * The backward pass stores no [tokens, tokens] matrix: it makes P again from S and lse (FlashAttention, arXiv
 * 2205.14135), so P is as exact as float32 holds lse: 1e-5 relative for scores around 100.
 */

import { UserError } from '../errors.js';
import type { Dispatch } from '../graph/dispatch.js';
import { call, type Op, record } from '../graph/op.js';
import type { Tensor } from '../graph/tensor.js';
import { chooseAttention } from '../kernels/attention/candidates.js';
import {
  type AttentionEntry,
  type AttentionLaunch,
  type AttentionOptions,
  HEAD_WIDTH,
} from '../kernels/attention/launch.js';
import {
  attentionBackward,
  attentionDelta,
  attentionForward,
  sizesOf,
} from '../kernels/attention/reference.js';
import { cast } from './cast.js';
import { example, examples } from './example.js';
import { misfit } from './shape.js';

export type { AttentionOptions } from '../kernels/attention/launch.js';

/** Products of [tokens, tokens, 64] that every head does; a causal one sees half of them. */
const productsFlops = (qkv: Tensor, { heads, causal }: AttentionOptions, products: number): number => {
  const [batch, tokens] = qkv.shape as [number, number];
  return (products * 2 * batch * heads * tokens * tokens * HEAD_WIDTH) / (causal ? 2 : 1);
};

const op: Op<AttentionOptions, [qkv: Tensor], [o: Tensor, lse: Tensor]> = {
  name: 'attention',
  half: true,
  // Output 1 is the log of the softmax's denominators; stored only when a gradient reads it.
  outputs: ([qkv], { heads }) => {
    const [batch, tokens, width] = qkv.shape as [number, number, number];
    if (qkv.shape.length !== 3 || !Number.isInteger(heads) || heads < 1 || width % (3 * heads) !== 0)
      misfit('attention', [qkv], `${heads} heads need [batch, tokens, 3 * ${heads} * the width of a head]`);
    if (width !== 3 * heads * HEAD_WIDTH)
      throw new UserError(
        `attention: ${qkv} has ${heads} heads of ${width / 3 / heads} columns, and there are kernels for ${HEAD_WIDTH} alone (HEAD_WIDTH)`,
        `choose a number of heads that makes each ${HEAD_WIDTH} wide`,
      );
    return [{ shape: [batch, tokens, width / 3], dtype: qkv.dtype }, { shape: [batch, heads, tokens] }];
  },
  kernels: ({ inputs: [qkv], outputs: [o, lse], attributes }, context) => {
    const writes = { o, ...(context.used[1] && { lse }) };
    return [chooseAttention({ entry: 'forward', ...attributes, reads: { qkv }, writes }, context)];
  },
  gradient: ({ inputs: [qkv], outputs: [o, lse], attributes }, [d_o, dLse]) => {
    if (dLse) throw new Error('attention has no gradient rule for its second output');
    return [attentionGradient(qkv, o, lse, d_o!, attributes)];
  },
  flops: ({ inputs: [qkv], attributes }) => productsFlops(qkv, attributes, 2),
  reference: ({ inputs: [x], attributes }, [qkv]) => {
    const { o, lse } = attentionForward(qkv, sizesOf(x, attributes));
    return [o, lse];
  },
};

const gradientOp: Op<
  AttentionOptions,
  [qkv: Tensor, o: Tensor, lse: Tensor, d_o: Tensor],
  [d_qkv: Tensor, delta: Tensor]
> = {
  name: 'attentionGradient',
  half: true,
  outputs: ([qkv, o, lse, d_o], { heads }) => {
    const [batch, tokens, width] = qkv.shape as [number, number, number];
    const like = batch * tokens * (width / 3);
    if (o.size !== like || d_o.size !== like || lse.size !== batch * heads * tokens)
      misfit('attentionGradient', [qkv, o, lse, d_o], 'they must come from one attention');
    return [
      { shape: qkv.shape, dtype: qkv.dtype },
      { shape: lse.shape, scratch: true },
    ];
  },
  kernels: ({ inputs, outputs, attributes }, context): Dispatch[] => {
    const [qkv, o, lse, d_o] = inputs as [Tensor, Tensor, Tensor, Tensor];
    const [d_qkv, delta] = outputs as [Tensor, Tensor];
    const launch = (
      entry: AttentionEntry,
      reads: AttentionLaunch['reads'],
      writes: AttentionLaunch['writes'],
    ) => chooseAttention({ entry, ...attributes, reads, writes }, context);
    return [
      launch('backward_dq', { qkv, o, lse, d_o }, { d_qkv, delta }),
      launch('backward_dkv', { qkv, lse, d_o, delta }, { d_qkv }),
    ];
  },
  // Scores and dP in both kernels, then dq, dk and dv.
  flops: ({ inputs: [qkv], attributes }) => productsFlops(qkv, attributes, 7),
  reference: ({ inputs: [x], attributes }, [qkv, o, lse, d_o]) => {
    const sizes = sizesOf(x, attributes);
    const delta = attentionDelta(o, d_o, sizes);
    return [attentionBackward({ qkv, lse, d_o, delta }, sizes), delta];
  },
};

/**
 * `qkv` `[batch, tokens, 3 * HEAD_WIDTH * heads]` as q | k | v, head by head within each -> `[batch, tokens, HEAD_WIDTH * heads]`,
 * of its dtype.
 *
 * @throws UserError where a head has another width
 */
export const attention = (qkv: Tensor, options: AttentionOptions): Tensor =>
  record(op, [qkv], { heads: options.heads, causal: options.causal }).outputs[0];

/** Gradient with respect to `qkv`, given both outputs of `attention` and the first one's gradient. */
export const attentionGradient = (
  qkv: Tensor,
  o: Tensor,
  lse: Tensor,
  d_o: Tensor,
  options: AttentionOptions,
): Tensor => call(gradientOp, [qkv, o, lse, d_o], options);

/** Calls for the checks of kernels and shaders. */
export const attentionExamples = examples(() => [
  ...[false, true].flatMap((causal) =>
    [1, 9].map((tokens) =>
      example(`attention ${tokens} ${causal}`, [[2, tokens, 384]], (x) => attention(x, { heads: 2, causal })),
    ),
  ),
  example('attention in float16', [[2, 5, 192]], (x) =>
    cast(attention(cast(x, 'f16'), { heads: 1, causal: true }), 'f32'),
  ),
]);
