/** The transformer block that both towers are made of. */
import { add } from '../../engine/ops/add.js';
import { attention } from '../../engine/ops/attention.js';
import { layerNorm } from '../../engine/ops/layerNorm.js';
import { linear } from '../../engine/ops/linear.js';
import type { Tensor } from '../../engine/tensor.js';
import type { ClipConfig } from './config.js';
import type { Weights } from './weights.js';

/** LayerNorm with the weights `name.weight` and `name.bias`. */
export const norm = (x: Tensor, weights: Weights, name: string, config: ClipConfig): Tensor =>
  layerNorm(x, weights.get(`${name}.weight`), weights.get(`${name}.bias`), config.layerNormEps);

/**
 * Pre-norm block: `x += attention(ln_1(x)); x += c_proj(activation(c_fc(ln_2(x))))`.
 *
 * @param x `[batch, tokens, width]`
 * @param name prefix of the weights, such as `visual.transformer.resblocks.0`
 */
export function block(
  x: Tensor,
  weights: Weights,
  name: string,
  config: ClipConfig,
  { heads, causal }: { heads: number; causal: boolean },
): Tensor {
  const project = (input: Tensor, leaf: string, activation?: ClipConfig['activation']) =>
    linear(input, weights.get(`${name}.${leaf}.weight`), weights.get(`${name}.${leaf}.bias`), activation);
  const qkv = linear(
    norm(x, weights, `${name}.ln_1`, config),
    weights.get(`${name}.attn.in_proj_weight`),
    weights.get(`${name}.attn.in_proj_bias`),
  );
  const attended = add(x, project(attention(qkv, { heads, causal }), 'attn.out_proj'));
  const hidden = project(norm(attended, weights, `${name}.ln_2`, config), 'mlp.c_fc', config.activation);
  return add(attended, project(hidden, 'mlp.c_proj'));
}
