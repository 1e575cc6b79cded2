/** The transformer block that both towers are made of. */

import { add, attention, gatherRows, layerNorm, linear, reshape, type Tensor } from '../../engine/index.js';
import type { ClipConfig } from './config.js';
import type { Precision } from './precision.js';
import type { Weights } from './weights.js';

/** LayerNorm with the weights `name.weight` and `name.bias`. */
export const norm = (
  x: Tensor,
  weights: Weights,
  name: string,
  config: ClipConfig,
  dtype: Precision = 'f32',
): Tensor =>
  layerNorm(x, weights.get(`${name}.weight`), weights.get(`${name}.bias`), config.layerNormEps, dtype);

/**
 * Pre-norm block: `x += attention(ln_1(x)); x += c_proj(activation(c_fc(ln_2(x))))`.
 *
 * What stands between two matrices is stored as `weights.activations` says; the residual stream `x` is float32.
 *
 * @param x `[batch, tokens, width]`
 * @param name prefix of the weights, such as `visual.transformer.resblocks.0`
 * @param rows int32 `[n]`, in `[batch * tokens]`: the only rows of the result that anything reads, for a last block;
 *   what follows its attention is then computed for these alone
 * @returns `[batch, tokens, width]`, or `[n, width]`
 */
export function block(
  x: Tensor,
  weights: Weights,
  name: string,
  config: ClipConfig,
  { heads, causal, rows }: { heads: number; causal: boolean; rows?: Tensor },
): Tensor {
  const wanted = (tensor: Tensor): Tensor => {
    const width = tensor.shape[2]!;
    return rows ? gatherRows(reshape(tensor, [tensor.size / width, width]), rows) : tensor;
  };
  const project = (input: Tensor, leaf: string) =>
    linear(input, weights.get(`${name}.${leaf}.weight`), weights.get(`${name}.${leaf}.bias`));
  const dtype = weights.activations;
  const qkv = linear(
    norm(x, weights, `${name}.ln_1`, config, dtype),
    weights.get(`${name}.attn.in_proj_weight`),
    weights.get(`${name}.attn.in_proj_bias`),
    { dtype },
  );
  const attended = add(wanted(x), project(wanted(attention(qkv, { heads, causal })), 'attn.out_proj'));
  const hidden = linear(
    norm(attended, weights, `${name}.ln_2`, config, dtype),
    weights.get(`${name}.mlp.c_fc.weight`),
    weights.get(`${name}.mlp.c_fc.bias`),
    { activation: config.activation, dtype },
  );
  return add(attended, project(hidden, 'mlp.c_proj'));
}
