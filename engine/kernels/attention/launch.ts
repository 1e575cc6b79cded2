/** One launch of attention, as every kernel of the family sees it. The maths is in ops/attention.ts. */
import type { Tensor } from '../../graph/tensor.js';

/** Width of a head. */
export const HEAD = 64;

/** `forward` computes o and lse, `queries` dq and delta, `keys` dk and dv. */
export type AttentionEntry = 'forward' | 'queries' | 'keys';

export interface AttentionOptions {
  readonly heads: number;
  /** Whether a token sees only itself and those before it. */
  readonly causal: boolean;
}

export interface AttentionLaunch extends AttentionOptions {
  readonly entry: AttentionEntry;
  /** By the names of the bindings, as `writes`: qkv, o, lse, d_o, delta, d_qkv. */
  readonly reads: Readonly<Record<string, Tensor>> & { readonly qkv: Tensor };
  readonly writes: Readonly<Record<string, Tensor>>;
}
