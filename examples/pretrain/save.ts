/** A trained CLIP as a folder that `promptkd` reads: weights, config and tokenizer. */
import { type Gpu, readLeaf, type Tensor } from '../../engine/index.js';
import { encodeSafetensors } from '../../formats/safetensors.js';
import type { ClipConfig } from '../../models/clip/config.js';

/** OpenAI's names; float16, as emoji-clip/ has it, but for the logit scale. */
export async function encodeWeights(
  gpu: Gpu,
  named: ReadonlyMap<string, Tensor>,
  metadata: Readonly<Record<string, string>>,
): Promise<Uint8Array> {
  const tensors = [];
  for (const [name, tensor] of named)
    tensors.push({
      name,
      dtype: name === 'logit_scale' ? ('F32' as const) : ('F16' as const),
      shape: tensor.shape,
      data: await readLeaf(gpu, tensor),
    });
  return encodeSafetensors(tensors, metadata);
}

/** The architecture in the form of Hugging Face's CLIPConfig. */
export function encodeConfig({ embed, vision, text, layerNormEps }: ClipConfig): string {
  const tower = ({ width, layers, heads }: ClipConfig['vision'] | ClipConfig['text']) => ({
    hidden_act: 'quick_gelu',
    hidden_size: width,
    intermediate_size: 4 * width,
    layer_norm_eps: layerNormEps,
    num_attention_heads: heads,
    num_hidden_layers: layers,
  });
  const config = {
    architectures: ['CLIPModel'],
    model_type: 'clip',
    projection_dim: embed,
    text_config: {
      ...tower(text),
      bos_token_id: text.vocabulary - 2,
      eos_token_id: text.vocabulary - 1,
      max_position_embeddings: text.contextLength,
      vocab_size: text.vocabulary,
    },
    vision_config: { ...tower(vision), image_size: vision.resolution, patch_size: vision.patch },
  };
  return `${JSON.stringify(config, null, 2)}\n`;
}
