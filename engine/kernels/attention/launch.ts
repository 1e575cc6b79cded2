/** One launch of attention, as every kernel of the family sees it. The maths is in ops/attention.ts. */
import type { Constant } from '../../graph/dispatch.js';
import type { Tensor } from '../../graph/tensor.js';

/** Columns of a head of q, k or v. All attention kernels are written for this width, which all CLIP models have. */
export const HEAD_WIDTH = 64;

/**
 * The entry points: `forward` computes o and lse, `backward_dq` dq and delta, `backward_dkv` dk and dv. The tile of a workgroup has
 * queries in the first two and keys in the last; the rows of the other side are streamed through it.
 */
export type AttentionEntry = 'forward' | 'backward_dq' | 'backward_dkv';

/** What attention needs to know beside its tensors. */
export interface AttentionOptions {
  readonly heads: number;
  /** Whether a token sees only itself and those before it. */
  readonly causal: boolean;
}

/** What a launch computes, from which tensors. */
export interface AttentionLaunch extends AttentionOptions {
  readonly entry: AttentionEntry;
  /** By the names of the bindings, as `writes`: qkv, o, lse, d_o, delta, d_qkv. */
  readonly reads: Readonly<Record<string, Tensor>> & { readonly qkv: Tensor };
  readonly writes: Readonly<Record<string, Tensor>>;
}

/** A kernel: its shader, its own constants, and the rows of the query (or key) tile of one workgroup. */
export interface AttentionKernel {
  readonly shader: string;
  readonly tileRows: number;
  readonly constants: Readonly<Record<string, Constant>>;
}
