/** Attention and its gradient in float64 (the maths is in ops/attention.ts). */
import type { Tensor, Values } from '../../graph/tensor.js';
import { type AttentionOptions, HEAD_WIDTH } from './launch.js';

/** Sequences, their tokens and heads. */
export interface AttentionSizes extends AttentionOptions {
  readonly batch: number;
  readonly tokens: number;
}

/** The sizes of an attention over `qkv` `[batch, tokens, 3 * heads * HEAD_WIDTH]`. */
export function sizesOf(qkv: Tensor, { heads, causal }: AttentionOptions): AttentionSizes {
  const [batch, tokens] = qkv.shape as [number, number, number];
  return { batch, tokens, heads, causal };
}

/** Rows of q, k and v of one head, each a view of `HEAD_WIDTH` values of `x` `[batch, tokens, 3 * heads * HEAD_WIDTH]`. */
function split(x: Values, { tokens, heads }: AttentionSizes, b: number, h: number) {
  const part = (index: number) =>
    rows(x, tokens, 3 * heads * HEAD_WIDTH, b, (index * heads + h) * HEAD_WIDTH);
  return [part(0), part(1), part(2)] as const;
}

/** Rows of one head of `x` `[batch, tokens, heads * HEAD_WIDTH]`. */
const headOf = (x: Values, { tokens, heads }: AttentionSizes, b: number, h: number) =>
  rows(x, tokens, heads * HEAD_WIDTH, b, h * HEAD_WIDTH);

/** Adds `factor * x` to a row, or its absolute value, to learn how large the terms of a sum are. */
type Add = (target: Values, factor: number, x: Values) => void;
const addTerms: Add = (target, factor, x) => {
  for (let i = 0; i < HEAD_WIDTH; i++) target[i]! += factor * x[i]!;
};
const addSizes: Add = (target, factor, x) => {
  for (let i = 0; i < HEAD_WIDTH; i++) target[i]! += Math.abs(factor * x[i]!);
};

/**
 * The output o `[batch, tokens, heads * HEAD_WIDTH]` and lse `[batch, heads, tokens]`.
 *
 * @param absolute sums the absolute values of o's terms instead: rounding errors are relative to these
 */
export function attentionForward(
  qkv: Values,
  sizes: AttentionSizes,
  absolute = false,
): { o: Values; lse: Values } {
  const add = absolute ? addSizes : addTerms;
  const { batch, tokens, heads, causal } = sizes;
  const o = new Float64Array(qkv.length / 3);
  const lse = new Float64Array(batch * heads * tokens);
  eachHead(sizes, (b, h) => {
    const [q, k, v] = split(qkv, sizes, b, h);
    const out = headOf(o, sizes, b, h);
    for (let i = 0; i < tokens; i++) {
      const scores = Array.from({ length: causal ? i + 1 : tokens }, (_, j) => dot(q[i]!, k[j]!) / 8);
      const highest = scores.reduce((a, c) => Math.max(a, c));
      const sum = scores.reduce((a, s) => a + Math.exp(s - highest), 0);
      lse[(b * heads + h) * tokens + i] = highest + Math.log(sum);
      scores.forEach((s, j) => {
        add(out[i]!, Math.exp(s - highest) / sum, v[j]!);
      });
    }
  });
  return { o, lse };
}

/** Row sums of `d_o ∘ o`, `[batch, heads, tokens]`. */
export function attentionDelta(o: Values, d_o: Values, sizes: AttentionSizes): Values {
  const { batch, tokens, heads } = sizes;
  const delta = new Float64Array(batch * heads * tokens);
  eachHead(sizes, (b, h) => {
    const [out, dOut] = [headOf(o, sizes, b, h), headOf(d_o, sizes, b, h)];
    for (let i = 0; i < tokens; i++) delta[(b * heads + h) * tokens + i] = dot(dOut[i]!, out[i]!);
  });
  return delta;
}

/**
 * The gradient with respect to qkv, from what the forward pass stored and delta.
 *
 * @param absolute sums the absolute values of its terms instead
 */
export function attentionBackward(
  { qkv, lse, d_o, delta }: Readonly<Record<'qkv' | 'lse' | 'd_o' | 'delta', Values>>,
  sizes: AttentionSizes,
  absolute = false,
): Values {
  const { tokens, heads, causal } = sizes;
  const add = absolute ? addSizes : addTerms;
  const dQkv = new Float64Array(qkv.length);
  eachHead(sizes, (b, h) => {
    const [q, k, v] = split(qkv, sizes, b, h);
    const [dq, dk, dv] = split(dQkv, sizes, b, h);
    const dOut = headOf(d_o, sizes, b, h);
    for (let i = 0; i < tokens; i++) {
      const at = (b * heads + h) * tokens + i;
      for (let j = 0; j < (causal ? i + 1 : tokens); j++) {
        const p = Math.exp(dot(q[i]!, k[j]!) / 8 - lse[at]!);
        const dp = dot(dOut[i]!, v[j]!);
        const ds = (p * (absolute ? Math.abs(dp) + Math.abs(delta[at]!) : dp - delta[at]!)) / 8;
        add(dq[i]!, ds, k[j]!);
        add(dk[j]!, ds, q[i]!);
        add(dv[j]!, p, dOut[i]!);
      }
    }
  });
  return dQkv;
}

/** Views of the rows of one head: `HEAD_WIDTH` values from `column` on, of every token of sequence `b`. */
function rows(x: Values, tokens: number, width: number, b: number, column: number): Values[] {
  return Array.from({ length: tokens }, (_, t) => {
    const start = (b * tokens + t) * width + column;
    return x.subarray(start, start + HEAD_WIDTH);
  });
}

function eachHead({ batch, heads }: AttentionSizes, visit: (b: number, h: number) => void): void {
  for (let b = 0; b < batch; b++) for (let h = 0; h < heads; h++) visit(b, h);
}

function dot(a: Values, b: Values): number {
  let sum = 0;
  for (let i = 0; i < HEAD_WIDTH; i++) sum += a[i]! * b[i]!;
  return sum;
}
