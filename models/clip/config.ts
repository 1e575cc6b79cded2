import { HEAD_WIDTH, type UserError } from '../../engine/index.js';
import { fileError } from '../../formats/fileErrors.js';
import type { Checkpoint, ModelConfigJson } from '../../formats/tensors.js';

/** The sizes of a transformer. */
export interface TowerConfig {
  readonly width: number;
  readonly layers: number;
  /** Always `width / HEAD_WIDTH`. */
  readonly heads: number;
}

/** The architecture of a CLIP with a ViT image encoder, as docs/method.md 4.1 tabulates it. */
export interface ClipConfig {
  /** Length of the features that both towers end in. */
  readonly embed: number;
  readonly vision: TowerConfig & {
    /** Side of a patch in pixels. */
    readonly patch: number;
    /** Side of the image in pixels. */
    readonly resolution: number;
    /** Class token and patches: `(resolution / patch)^2 + 1`. */
    readonly tokens: number;
  };
  /**
   * All zero where a checkpoint has no text tower (the authors' students); `vocabulary` alone is zero where it has a
   * tower without a token table (PromptSRC teachers), which then comes from the CLIP that was tuned.
   */
  readonly text: TowerConfig & { readonly vocabulary: number; readonly contextLength: number };
  readonly activation: Activation;
  readonly layerNormEps: number;
}

/** The activation of a block's MLP. */
export type Activation = 'quickGelu' | 'gelu';
/** Sizes of the axes of a tensor. */
export type Shape = readonly number[];
type Matrix = readonly [rows: number, columns: number];

/** ViT-bigG has 48. */
const MAX_LAYERS = 256;

/**
 * The architecture that the shapes of a canonical state dict imply (docs/method.md 4.4), with the activation and the LayerNorm
 * epsilon of its Hugging Face or open_clip config, where there is one; QuickGELU and 1e-5 otherwise.
 *
 * @param checkpoint `tensors` under OpenAI's names
 * @throws UserError when a tensor that decides a size is missing or odd, or config and shapes disagree
 */
export function inferConfig(
  checkpoint: Pick<Checkpoint, 'path' | 'config' | 'metadata'> & {
    readonly tensors: ReadonlyMap<string, { readonly shape: Shape }>;
  },
): ClipConfig {
  const { path, tensors } = checkpoint;
  const fail: Fail = (problem, hint = 'give a checkpoint of a whole CLIP with a ViT image encoder') =>
    fileError(path, problem, hint);
  const shape = <S extends Shape>(name: string, rank: S['length']): S => {
    const found = tensors.get(name)?.shape;
    if (!found) throw fail(`"${name}" is missing`);
    if (found.length !== rank || found.some((size) => size < 1))
      throw fail(`"${name}" has the shape [${found.join(', ')}] where ${rank} sizes are expected`);
    return found as S;
  };
  const tower = (width: number, prefix: string): TowerConfig => {
    if (width % HEAD_WIDTH !== 0)
      throw fail(`the width ${width} of "${prefix}*" is not a multiple of the head size ${HEAD_WIDTH}`);
    const layers = countBlocks(tensors.keys(), prefix);
    if (layers > MAX_LAYERS) throw fail(`it has ${layers} blocks "${prefix}resblocks.*"`);
    return { width, layers, heads: width / HEAD_WIDTH };
  };

  const [width, , patch] = shape<readonly [number, number, number, number]>('visual.conv1.weight', 4);
  const [tokens] = shape<Matrix>('visual.positional_embedding', 2);
  const grid = Math.round(Math.sqrt(tokens - 1));
  if (grid < 1 || grid * grid + 1 !== tokens)
    throw fail(`"visual.positional_embedding" has ${tokens} rows, which is not a square plus one`);
  const [, embed] = shape<Matrix>('visual.proj', 2);
  const vision = { ...tower(width, 'visual.transformer.'), patch, resolution: grid * patch, tokens };

  let text: ClipConfig['text'] = { width: 0, layers: 0, heads: 0, vocabulary: 0, contextLength: 0 };
  if (tensors.has('positional_embedding') || tensors.has('token_embedding.weight')) {
    const [contextLength, textWidth] = shape<Matrix>('positional_embedding', 2);
    const vocabulary = tensors.has('token_embedding.weight')
      ? shape<Matrix>('token_embedding.weight', 2)[0]
      : 0;
    text = { ...tower(textWidth, 'transformer.'), vocabulary, contextLength };
  }
  const shapes = { embed, vision, text };
  return { ...shapes, ...readModelConfig(checkpoint, shapes, fail) };
}

/** Every tensor of a CLIP of this architecture under OpenAI's name, with its shape (docs/method.md 4.4). */
export function expectedShapes({ embed, vision, text }: Shapes): Map<string, Shape> {
  const shapes = new Map<string, Shape>([
    ['logit_scale', []],
    ['visual.class_embedding', [vision.width]],
    ['visual.positional_embedding', [vision.tokens, vision.width]],
    ['visual.conv1.weight', [vision.width, 3, vision.patch, vision.patch]],
    ['visual.proj', [vision.width, embed]],
  ]);
  const norm = (name: string, width: number) =>
    shapes.set(`${name}.weight`, [width]).set(`${name}.bias`, [width]);
  const linear = (name: string, rows: number, columns: number) =>
    shapes.set(`${name}.weight`, [rows, columns]).set(`${name}.bias`, [rows]);
  const blocks = (prefix: string, { width, layers }: TowerConfig) => {
    for (let i = 0; i < layers; i++) {
      const block = `${prefix}transformer.resblocks.${i}`;
      norm(`${block}.ln_1`, width);
      norm(`${block}.ln_2`, width);
      shapes.set(`${block}.attn.in_proj_weight`, [3 * width, width]);
      shapes.set(`${block}.attn.in_proj_bias`, [3 * width]);
      linear(`${block}.attn.out_proj`, width, width);
      linear(`${block}.mlp.c_fc`, 4 * width, width);
      linear(`${block}.mlp.c_proj`, width, 4 * width);
    }
  };
  norm('visual.ln_pre', vision.width);
  norm('visual.ln_post', vision.width);
  blocks('visual.', vision);
  if (text.width > 0) {
    if (text.vocabulary > 0) shapes.set('token_embedding.weight', [text.vocabulary, text.width]);
    shapes.set('positional_embedding', [text.contextLength, text.width]);
    shapes.set('text_projection', [text.width, embed]);
    norm('ln_final', text.width);
    blocks('', text);
  }
  return shapes;
}

/** Blocks that have any tensor: a gap in their numbers shows as missing and unknown keys later. */
function countBlocks(names: Iterable<string>, prefix: string): number {
  const numbers = new Set<string>();
  const start = `${prefix}resblocks.`;
  for (const name of names)
    if (name.startsWith(start)) numbers.add(name.slice(start.length, name.indexOf('.', start.length)));
  return numbers.size;
}

type Fail = (problem: string, hint?: string) => UserError;
type Shapes = Pick<ClipConfig, 'embed' | 'vision' | 'text'>;

/** What shapes cannot tell, from the config beside the weights; what they can tell must agree with it. */
function readModelConfig(
  { config, metadata }: Pick<Checkpoint, 'config' | 'metadata'>,
  shapes: Shapes,
  fail: Fail,
): Pick<ClipConfig, 'activation' | 'layerNormEps'> {
  if (!config || metadata.activation !== undefined)
    return {
      activation: activationNamed(metadata.activation ?? 'quick_gelu', fail),
      layerNormEps: Number(metadata.layer_norm_eps ?? 1e-5),
    };
  const openClip = fieldOf(config, 'model_cfg');
  for (const [field, actual] of openClip ? openClipFacts(shapes) : huggingFaceFacts(shapes)) {
    const said = fieldOf(config, field);
    // Zero stands for a tower that is not in the file: a student or teacher beside the CLIP that it was made of.
    if (typeof said === 'number' && actual !== 0 && said !== actual)
      throw fail(
        `its config says ${field} = ${said} but the weights have ${actual}`,
        'use the config that belongs to these weights',
      );
  }
  if (openClip)
    return {
      activation: fieldOf(config, 'model_cfg.quick_gelu') === true ? 'quickGelu' : 'gelu',
      layerNormEps: 1e-5,
    };
  checkEndOfText(config, shapes, fail);
  const both = (name: string) =>
    ['vision_config', 'text_config']
      .map((tower) => fieldOf(config, `${tower}.${name}`))
      .filter((v) => v != null);
  const activations = both('hidden_act').map((name) => activationNamed(name, fail));
  const epsilons = both('layer_norm_eps');
  if (new Set(activations).size > 1 || new Set(epsilons).size > 1)
    throw fail('its two towers differ in hidden_act or layer_norm_eps', 'such a CLIP is not supported');
  const layerNormEps = epsilons[0] ?? 1e-5;
  if (typeof layerNormEps !== 'number' || !(layerNormEps > 0 && layerNormEps < 1))
    throw fail(
      `its config says layer_norm_eps = ${JSON.stringify(layerNormEps)}`,
      'give a small positive number',
    );
  return { activation: activations[0] ?? 'quickGelu', layerNormEps };
}

function activationNamed(name: unknown, fail: Fail): Activation {
  if (name === 'quick_gelu' || name === 'quickGelu') return 'quickGelu';
  if (name === 'gelu') return 'gelu';
  throw fail(`the activation ${JSON.stringify(name)} is not supported`, 'use a CLIP with quick_gelu or gelu');
}

/**
 * Features are read at the highest token id. That is Hugging Face's rule for `eos_token_id` 2 (old configs), and the
 * same as its rule for other values only when end of text is the last token of the vocabulary.
 */
function checkEndOfText(config: ModelConfigJson, { text }: Shapes, fail: Fail): void {
  const eos = fieldOf(config, 'text_config.eos_token_id');
  if (typeof eos === 'number' && eos !== 2 && text.vocabulary > 0 && eos !== text.vocabulary - 1)
    throw fail(
      `its config says eos_token_id = ${eos}, which is not the last of its ${text.vocabulary} tokens`,
      'such a CLIP is not supported: end of text must be the highest token',
    );
}

function huggingFaceFacts({ embed, vision, text }: Shapes): [string, number][] {
  const tower = (name: string, { width, layers, heads }: TowerConfig): [string, number][] => [
    [`${name}.hidden_size`, width],
    [`${name}.intermediate_size`, 4 * width],
    [`${name}.num_hidden_layers`, layers],
    [`${name}.num_attention_heads`, heads],
  ];
  return [
    ['projection_dim', embed],
    ...tower('vision_config', vision),
    ['vision_config.image_size', vision.resolution],
    ['vision_config.patch_size', vision.patch],
    ...tower('text_config', text),
    ['text_config.vocab_size', text.vocabulary],
    ['text_config.max_position_embeddings', text.contextLength],
  ];
}

function openClipFacts({ embed, vision, text }: Shapes): [string, number][] {
  return [
    ['model_cfg.embed_dim', embed],
    ['model_cfg.vision_cfg.image_size', vision.resolution],
    ['model_cfg.vision_cfg.patch_size', vision.patch],
    ['model_cfg.vision_cfg.width', vision.width],
    ['model_cfg.vision_cfg.layers', vision.layers],
    ['model_cfg.vision_cfg.head_width', HEAD_WIDTH],
    ['model_cfg.text_cfg.context_length', text.contextLength],
    ['model_cfg.text_cfg.vocab_size', text.vocabulary],
    ['model_cfg.text_cfg.width', text.width],
    ['model_cfg.text_cfg.heads', text.heads],
    ['model_cfg.text_cfg.layers', text.layers],
  ];
}

function fieldOf(config: ModelConfigJson, path: string): unknown {
  let value: unknown = config;
  for (const name of path.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
    value = (value as Record<string, unknown>)[name];
  }
  return value;
}
