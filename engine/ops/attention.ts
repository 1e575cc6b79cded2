/**
 * Scaled dot-product attention, every head 64 wide, and its gradient.
 *   S = q k^T / 8 (over the keys up to the query's own when causal),  P = softmax(S),  o = P v,  lse = log sum exp S
 *   dP = do v^T,  D = rowsum(do ∘ o),  dS = P ∘ (dP - D),  dq = dS k / 8,  dk = dS^T q / 8,  dv = P^T do
 * The backward pass stores no [tokens, tokens] matrix: it makes P again from S and lse (FlashAttention, arXiv
 * 2205.14135), so P is as exact as float32 holds lse: 1e-5 relative for scores around 100.
 */
import type { Capabilities } from '../gpu.js';
import {
  call,
  type Dispatch,
  type Extent,
  type KernelContext,
  type Op,
  record,
  type Shader,
  type Values,
} from '../op.js';
import type { Tensor } from '../tensor.js';
import { misfit } from './shape.js';

const HEAD = 64;

export interface AttentionOptions {
  readonly heads: number;
  /** Whether a token sees only itself and those before it. */
  readonly causal: boolean;
}

/** Rows that a workgroup of attention.wgsl owns. */
const OWN = 16;

const vec4 = (tensor: Tensor) => ({ tensor, as: 'vec4' }) as const;

type Entry = 'forward' | 'queries' | 'keys';

/** What the launches have in common; `flags` choose the entry's part of the file. */
function launch(
  qkv: Tensor,
  { heads, causal }: AttentionOptions,
  { capabilities }: KernelContext,
  entry: Entry,
  flags: Record<string, boolean>,
): Shader & Extent {
  const [batch, tokens] = qkv.shape as [number, number];
  const { shader, own, constants } = kernelFor(tokens, entry, capabilities);
  return {
    shader,
    entry,
    constants: { TOKENS: tokens, HEADS: heads, CAUSAL: causal, ...constants, ...flags },
    workgroups: [Math.ceil(tokens / own), heads, batch],
  };
}

/** The shader for an adapter, its constants, and the rows that a workgroup owns. */
function kernelFor(
  tokens: number,
  entry: Entry,
  { software, level, subgroupSize: [LANES, largest] = [0, 0] }: Capabilities,
): { shader: string; own: number; constants: Record<string, number> } {
  // On CPU adapters whose subgroups all have one size, a vector of the CPU.
  const known = software && level !== 'portable' && LANES === largest;
  if (known && (LANES === 8 || LANES === 16)) {
    const groups = Math.ceil(tokens / ROWS_OF_SLICES[entry]);
    const ROWS = Math.ceil(tokens / groups);
    const SLICES = HEAD / 4 / LANES;
    return {
      shader: 'attention_slices',
      own: ROWS,
      constants: { LANES, ROWS, SLICES, VALUES: ROWS * SLICES },
    };
  }
  if (known && LANES === 4) {
    const groups = Math.ceil(tokens / (ROWS_A_LANE[entry] * LANES));
    const ROWS = Math.ceil(tokens / groups / LANES);
    const constants = { LANES, ROWS, STRIPS: entry === 'forward' ? 2 : 1, STEPS: 1 };
    return { shader: 'attention_lanes', own: ROWS * LANES, constants };
  }
  return { shader: 'attention', own: OWN, constants: {} };
}

/** Rows that a subgroup owns at the most: what its slices of them and of their sums take of a CPU's first cache. */
const ROWS_OF_SLICES = { forward: 16, queries: 12, keys: 8 } as const;
/** The same, a lane. */
const ROWS_A_LANE = { forward: 5, queries: 5, keys: 4 } as const;

/** Products of [tokens, tokens, 64] that every head does; a causal one sees half of them. */
const productsFlops = (qkv: Tensor, { heads, causal }: AttentionOptions, products: number): number => {
  const [batch, tokens] = qkv.shape as [number, number];
  return (products * 2 * batch * heads * tokens * tokens * HEAD) / (causal ? 2 : 1);
};

const op: Op<AttentionOptions> = {
  name: 'attention',
  half: true,
  // Output 1 is the log of the softmax's denominators; stored only when a gradient reads it.
  outputs: ([qkv], { heads }) => {
    const [batch, tokens, width] = qkv!.shape as [number, number, number];
    if (qkv!.shape.length !== 3 || !Number.isInteger(heads) || heads < 1 || width !== 3 * heads * HEAD)
      misfit('attention', [qkv], `${heads} heads of ${HEAD} need [batch, tokens, ${3 * heads * HEAD}]`);
    return [{ shape: [batch, tokens, width / 3], dtype: qkv!.dtype }, { shape: [batch, heads, tokens] }];
  },
  kernels: ({ inputs: [qkv], outputs: [o, lse], attributes }, context) => [
    {
      ...launch(qkv!, attributes, context, 'forward', { FORWARD: true, STORE_LSE: context.used[1]! }),
      reads: { qkv: vec4(qkv!) },
      writes: { o: vec4(o!), ...(context.used[1] && { lse: lse! }) },
    },
  ],
  gradient: ({ inputs: [qkv], outputs: [o, lse], attributes }, [d_o, dLse]) => {
    if (dLse) throw new Error('attention has no gradient rule for its second output');
    return [attentionGradient(qkv!, o!, lse!, d_o!, attributes)];
  },
  flops: ({ inputs: [qkv], attributes }) => productsFlops(qkv!, attributes, 2),
  reference: ({ inputs: [tensor], attributes: { heads, causal } }, [qkv]) => {
    const [batch, tokens, width] = tensor!.shape as [number, number, number];
    const o = new Float64Array(qkv!.length / 3);
    const lse = new Float64Array(batch * heads * tokens);
    eachHead(batch, heads, (b, h) => {
      const [q, k, v] = [0, 1, 2].map((part) => rows(qkv!, tokens, width, b, (part * heads + h) * HEAD));
      const out = rows(o, tokens, width / 3, b, h * HEAD);
      for (let i = 0; i < tokens; i++) {
        const scores = Array.from({ length: causal ? i + 1 : tokens }, (_, j) => dot(q![i]!, k![j]!) / 8);
        const highest = scores.reduce((a, c) => Math.max(a, c));
        const sum = scores.reduce((a, s) => a + Math.exp(s - highest), 0);
        lse[(b * heads + h) * tokens + i] = highest + Math.log(sum);
        scores.forEach((s, j) => {
          addScaled(out[i]!, Math.exp(s - highest) / sum, v![j]!);
        });
      }
    });
    return [o, lse];
  },
};

const gradientOp: Op<AttentionOptions> = {
  name: 'attentionGradient',
  half: true,
  outputs: ([qkv, o, lse, d_o], { heads }) => {
    const [batch, tokens, width] = qkv!.shape as [number, number, number];
    const like = batch * tokens * (width / 3);
    if (o!.size !== like || d_o!.size !== like || lse!.size !== batch * heads * tokens)
      misfit('attentionGradient', [qkv, o, lse, d_o], 'they must come from one attention');
    return [
      { shape: qkv!.shape, dtype: qkv!.dtype },
      { shape: lse!.shape, scratch: true },
    ];
  },
  kernels: ({ inputs: [qkv, o, lse, d_o], outputs: [dQkv, delta], attributes }, context): Dispatch[] => [
    {
      ...launch(qkv!, attributes, context, 'queries', { QUERIES: true }),
      reads: { qkv: vec4(qkv!), o: vec4(o!), lse: lse!, d_o: vec4(d_o!) },
      writes: { d_qkv: vec4(dQkv!), delta: delta! },
    },
    {
      ...launch(qkv!, attributes, context, 'keys', { KEYS: true }),
      reads: { qkv: vec4(qkv!), lse: lse!, d_o: vec4(d_o!), delta: delta! },
      writes: { d_qkv: vec4(dQkv!) },
    },
  ],
  // Scores and dP in both kernels, then dq, dk and dv.
  flops: ({ inputs: [qkv], attributes }) => productsFlops(qkv!, attributes, 7),
  reference: ({ inputs: [tensor], attributes: { heads, causal } }, [qkv, o, lse, d_o]) => {
    const [batch, tokens, width] = tensor!.shape as [number, number, number];
    const dQkv = new Float64Array(qkv!.length);
    const delta = new Float64Array(lse!.length);
    eachHead(batch, heads, (b, h) => {
      const split = (x: Values) =>
        [0, 1, 2].map((part) => rows(x, tokens, width, b, (part * heads + h) * HEAD));
      const [q, k, v] = split(qkv!);
      const [dq, dk, dv] = split(dQkv);
      const out = rows(o!, tokens, width / 3, b, h * HEAD);
      const dOut = rows(d_o!, tokens, width / 3, b, h * HEAD);
      for (let i = 0; i < tokens; i++) {
        const at = (b * heads + h) * tokens + i;
        delta[at] = dot(dOut[i]!, out[i]!);
        for (let j = 0; j < (causal ? i + 1 : tokens); j++) {
          const p = Math.exp(dot(q![i]!, k![j]!) / 8 - lse![at]!);
          const ds = (p * (dot(dOut[i]!, v![j]!) - delta[at]!)) / 8;
          addScaled(dq![i]!, ds, k![j]!);
          addScaled(dk![j]!, ds, q![i]!);
          addScaled(dv![j]!, p, dOut[i]!);
        }
      }
    });
    return [dQkv, delta];
  },
};

/** Views of the rows of one head: `HEAD` values from `column` on, of every token of sequence `b`. */
function rows(x: Values, tokens: number, width: number, b: number, column: number): Values[] {
  return Array.from({ length: tokens }, (_, t) => {
    const start = (b * tokens + t) * width + column;
    return x.subarray(start, start + HEAD);
  });
}

function eachHead(batch: number, heads: number, visit: (b: number, h: number) => void): void {
  for (let b = 0; b < batch; b++) for (let h = 0; h < heads; h++) visit(b, h);
}

function dot(a: Values, b: Values): number {
  let sum = 0;
  for (let i = 0; i < HEAD; i++) sum += a[i]! * b[i]!;
  return sum;
}

function addScaled(target: Values, factor: number, x: Values): void {
  for (let i = 0; i < HEAD; i++) target[i]! += factor * x[i]!;
}

/** `qkv` `[batch, tokens, 3 * 64 * heads]` as q | k | v, head by head within each -> `[batch, tokens, 64 * heads]`, of its dtype. */
export const attention = (qkv: Tensor, options: AttentionOptions): Tensor =>
  record(op, [qkv], { heads: options.heads, causal: options.causal }).outputs[0]!;

/** Gradient with respect to `qkv`, given both outputs of `attention` and the first one's gradient. */
export const attentionGradient = (
  qkv: Tensor,
  o: Tensor,
  lse: Tensor,
  d_o: Tensor,
  options: AttentionOptions,
): Tensor => call(gradientOp, [qkv, o, lse, d_o], options);
