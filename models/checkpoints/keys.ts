import type { UserError } from '../../engine/index.js';
import { fileError, readable } from '../../formats/fileErrors.js';
import {
  type Checkpoint,
  mismatch,
  renamed,
  type StoredTensor,
  sameShape,
  stacked,
  transposed,
} from '../../formats/tensors.js';
import { type ClipConfig, expectedShapes, inferConfig, type TowerConfig } from '../clip/config.js';
import { clipPrefix } from './prefix.js';
import { projectionHead } from './projection.js';

/** Prompts of a checkpoint (docs/method.md 1.2): entry 0 enters with the input, entry i at the input of block i. */
export interface StoredPrompts {
  /** `[tokens, text width]` each. */
  readonly text: readonly StoredTensor[];
  /** `[tokens, vision width]` each. */
  readonly vision: readonly StoredTensor[];
}

/** A checkpoint under OpenAI's names (docs/method.md 4.4), checked tensor by tensor. */
export interface CanonicalState {
  /** Whose names the file uses, for people. */
  readonly naming: string;
  /** What a user should know of what was done to them, to go on from "FILE: ". */
  readonly notes: readonly string[];
  readonly config: ClipConfig;
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  readonly prompts?: StoredPrompts;
  /**
   * The student's projection head: `fc1.weight [hidden, in]`, `fc1.bias`, `bn.weight`, `bn.bias`, `bn.running_mean`,
   * `bn.running_var`, `fc2.weight [out, hidden]`, `fc2.bias`; a third layer adds `bn2.*` and `fc3.*`.
   */
  readonly projection?: ReadonlyMap<string, StoredTensor>;
}

/**
 * Brings any of the known namings to OpenAI's: OpenAI, open_clip (also with `text.`), Hugging Face (q, k, v stacked,
 * projections transposed), and what the PromptSRC, IVLP and PromptKD trainers save. A prefix that wrappers of training code put in
 * front of all of them is taken off, and tensors that such a wrapper has beside its CLIP are left out.
 *
 * @throws UserError naming file and key for missing, unknown and doubled keys and for wrong shapes (found, expected)
 */
export function canonicalState(checkpoint: Checkpoint): CanonicalState {
  const found = new Collector(checkpoint.path);
  const { prefix, note } = clipPrefix([...checkpoint.tensors.keys()], (problem) =>
    found.fail(problem, 'save the weights of one CLIP alone, with its own names'),
  );
  const entries = [...checkpoint.tensors]
    .filter(([key]) => key.startsWith(prefix))
    // DataParallel's prefix comes alone, too.
    .map(([key, tensor]) => [key.slice(prefix.length).replace(/^module\./, ''), tensor] as const);
  const naming = NAMINGS.find(({ mark }) => entries.some(([key]) => mark.test(key)));
  if (!naming) throw found.fail(`no CLIP with a ViT is in it${someKeys(checkpoint.tensors)}`);
  for (const { mark, what } of OTHER_ENCODERS)
    if (entries.some(([key]) => mark.test(key)))
      throw found.fail(
        `its image encoder is ${what}`,
        "give a CLIP with OpenAI's ViT (B/32, B/16, L/14 and the like)",
      );
  for (const [key, tensor] of entries) found.add(key, tensor, naming.rename(key));
  found.finish();
  const config = inferConfig({ ...checkpoint, tensors: found.tensors });
  checkState(found, config, naming.partial);
  const prompts = collectPrompts(found, config);
  const projection =
    found.projection.size > 0
      ? projectionHead(found.projection, config.embed, (problem) => found.fail(problem))
      : undefined;
  return {
    naming: prefix ? readable(`${naming.name} under "${prefix}"`) : naming.name,
    notes: note ? [readable(note)] : [],
    config,
    tensors: found.tensors,
    prompts,
    projection,
  };
}

const WHOLE_CLIP =
  'give the checkpoint of a whole CLIP: OpenAI, Hugging Face, open_clip, PromptSRC, IVLP or PromptKD';

/** Image encoders that CLIPs of OpenAI and open_clip may have in place of the ViT. */
const OTHER_ENCODERS = [
  { mark: /^visual\.trunk\./, what: 'a model of timm (visual.trunk.*)' },
  { mark: /^visual\.(attnpool|layer\d)\./, what: 'a ResNet' },
] as const;

/** Where a key of a file belongs; undefined means that we do not know it. */
type Place =
  | { readonly kind: 'clip' | 'transposed' | 'prompt' | 'projection'; readonly name: string }
  | { readonly kind: 'part'; readonly name: string; readonly index: number }
  | { readonly kind: 'ignored' };

interface Naming {
  readonly name: string;
  /** A key that only this naming has. */
  readonly mark: RegExp;
  /** Whether text tower and token table may be missing. */
  readonly partial: boolean;
  rename(key: string): Place | undefined;
}

const clip = (name: string): Place => ({ kind: 'clip', name });
const IGNORED: Place = { kind: 'ignored' };

const NAMINGS: readonly Naming[] = [
  { name: 'Hugging Face names', mark: /^(vision|text)_model\./, partial: false, rename: fromHuggingFace },
  { name: 'PromptSRC names', mark: /^image_encoder\./, partial: true, rename: fromTrainer },
  { name: 'open_clip names', mark: /^text\./, partial: false, rename: fromOpenClip },
  { name: 'OpenAI names', mark: /^visual\./, partial: false, rename: fromOpenClip },
];

/** OpenAI and open_clip agree but for the text tower's prefix and buffers that shapes tell better. */
function fromOpenClip(key: string): Place {
  const name = key.replace(/^text\./, '');
  return /^(input_resolution|context_length|vocab_size|attn_mask)$/.test(name) ? IGNORED : clip(name);
}

/** Keys of the authors' `CustomCLIP`s; `token_prefix` and the like belong to the training classes. */
function fromTrainer(key: string): Place | undefined {
  if (/^prompt_learner\.(token_(prefix|suffix)\d*$|ZS_image_encoder\.)/.test(key)) return IGNORED;
  // `class_vectors`: in the self-contained students that `promptkd export --merged` writes.
  if (key.endsWith('.num_batches_tracked') || key === 'class_vectors') return IGNORED;
  if (key === 'logit_scale') return clip(key);
  if (key === 'prompt_learner.ctx') return { kind: 'prompt', name: 'text.0' };
  if (key === 'image_encoder.VPT') return { kind: 'prompt', name: 'vision.0' };
  const deep = /^(image|text)_encoder\.transformer\.resblocks\.(\d+)\.VPT_shallow$/.exec(key);
  if (deep) return { kind: 'prompt', name: `${deep[1] === 'image' ? 'vision' : 'text'}.${deep[2]}` };
  const [, head] = /^VPT_image_trans\.conv1\.(\d+\..+)$/.exec(key) ?? [];
  if (head !== undefined) return { kind: 'projection', name: head };
  const [, tower, name] = /^(image|text)_encoder\.(.+)$/.exec(key) ?? [];
  return name === undefined ? undefined : clip(tower === 'image' ? `visual.${name}` : name);
}

/** docs/method.md 4.6; `pre_layrnorm` is spelt so in the files. */
const HUGGING_FACE: Readonly<Record<string, Place>> = {
  logit_scale: clip('logit_scale'),
  'visual_projection.weight': { kind: 'transposed', name: 'visual.proj' },
  'text_projection.weight': { kind: 'transposed', name: 'text_projection' },
  'vision_model.embeddings.class_embedding': clip('visual.class_embedding'),
  'vision_model.embeddings.patch_embedding.weight': clip('visual.conv1.weight'),
  'vision_model.embeddings.position_embedding.weight': clip('visual.positional_embedding'),
  'vision_model.pre_layrnorm.weight': clip('visual.ln_pre.weight'),
  'vision_model.pre_layrnorm.bias': clip('visual.ln_pre.bias'),
  'vision_model.post_layernorm.weight': clip('visual.ln_post.weight'),
  'vision_model.post_layernorm.bias': clip('visual.ln_post.bias'),
  'text_model.embeddings.token_embedding.weight': clip('token_embedding.weight'),
  'text_model.embeddings.position_embedding.weight': clip('positional_embedding'),
  'text_model.final_layer_norm.weight': clip('ln_final.weight'),
  'text_model.final_layer_norm.bias': clip('ln_final.bias'),
};

/** Parts of a block, but for q, k and v. */
const HUGGING_FACE_LEAVES: Readonly<Record<string, string>> = {
  layer_norm1: 'ln_1',
  layer_norm2: 'ln_2',
  'self_attn.out_proj': 'attn.out_proj',
  'mlp.fc1': 'mlp.c_fc',
  'mlp.fc2': 'mlp.c_proj',
};

function fromHuggingFace(key: string): Place | undefined {
  if (/\.embeddings\.position_ids$/.test(key)) return IGNORED;
  if (Object.hasOwn(HUGGING_FACE, key)) return HUGGING_FACE[key];
  const match = /^(vision|text)_model\.encoder\.layers\.(\d+)\.(.+)\.(weight|bias)$/.exec(key);
  const [, tower, layer, leaf, what] = match ?? [];
  if (leaf === undefined) return undefined;
  const block = `${tower === 'vision' ? 'visual.' : ''}transformer.resblocks.${layer}`;
  const part = ['self_attn.q_proj', 'self_attn.k_proj', 'self_attn.v_proj'].indexOf(leaf);
  if (part >= 0) return { kind: 'part', name: `${block}.attn.in_proj_${what}`, index: part };
  return Object.hasOwn(HUGGING_FACE_LEAVES, leaf)
    ? clip(`${block}.${HUGGING_FACE_LEAVES[leaf]}.${what}`)
    : undefined;
}

/** Puts tensors in their places and remembers what the file calls them. */
class Collector {
  readonly tensors = new Map<string, StoredTensor>();
  readonly prompts = new Map<string, StoredTensor>();
  readonly projection = new Map<string, StoredTensor>();
  private readonly parts = new Map<string, StoredTensor[]>();
  private readonly keys = new Map<string, string>();

  constructor(private readonly path: string) {}

  add(key: string, tensor: StoredTensor, place: Place | undefined): void {
    if (!place) throw this.fail(`the key "${key}" belongs to no CLIP that we know`);
    if (place.kind === 'ignored') return;
    const { kind, name } = place;
    if (kind === 'part') {
      const parts = this.parts.get(name) ?? [];
      if (parts[place.index]) throw this.fail(`the key "${key}" comes twice`);
      parts[place.index] = tensor;
      this.parts.set(name, parts);
      return;
    }
    const shelf = kind === 'prompt' ? this.prompts : kind === 'projection' ? this.projection : this.tensors;
    if (shelf.has(name))
      throw this.fail(`the keys "${this.keys.get(name)}" and "${key}" mean the same tensor`);
    if (kind === 'transposed' && tensor.shape.length !== 2)
      throw this.fail(`"${key}" has the shape [${tensor.shape.join(', ')}] where a matrix is expected`);
    shelf.set(name, kind === 'transposed' ? transposed(tensor, name) : renamed(tensor, name));
    this.keys.set(name, key);
  }

  /** Stacks q, k and v. */
  finish(): void {
    for (const [name, parts] of this.parts) {
      const first = parts.find((part) => part)!;
      const present = [...'qkv'].map((letter, i) => {
        const part = parts[i];
        if (!part) throw this.fail(`the ${letter} part of "${name}" is missing`);
        if (part.shape.length === 0 || !sameShape(part.shape, first.shape))
          throw this.fail(mismatch(`"${part.name}"`, part.shape, first.shape));
        return part;
      });
      this.tensors.set(name, stacked(present, name));
      this.keys.set(name, first.name);
    }
  }

  /** The file's own key for a canonical name, with the latter where they differ. */
  describe(name: string): string {
    const key = this.keys.get(name);
    return key === undefined || key === name ? `"${name}"` : `"${key}" (OpenAI: ${name})`;
  }

  fail(problem: string, hint = WHOLE_CLIP): UserError {
    return fileError(this.path, problem, hint);
  }
}

function checkState(found: Collector, config: ClipConfig, partial: boolean): void {
  const { tensors } = found;
  const problems: string[] = [];
  if (!partial && config.text.vocabulary === 0) problems.push('"token_embedding.weight" is missing');
  const expected = expectedShapes(config);
  for (const [name, shape] of expected) {
    const tensor = tensors.get(name);
    if (!tensor) problems.push(`"${name}" is missing, expected [${shape.join(', ')}]`);
    // Some tools save the scalar logit_scale as a list of one.
    else if (shape.length === 0 && tensor.shape.join() === '1') tensors.set(name, renamed(tensor, name, []));
    else if (!sameShape(tensor.shape, shape))
      problems.push(mismatch(found.describe(name), tensor.shape, shape));
  }
  for (const name of tensors.keys())
    if (!expected.has(name)) problems.push(`${found.describe(name)} is unknown in this architecture`);
  if (problems.length > 0) {
    const more = problems.length > 1 ? ` (and ${problems.length - 1} more such problems)` : '';
    throw found.fail(`${problems[0]}${more}`);
  }
}

/** Prompts in block order; their numbers must run from 0 without a gap (docs/method.md 1.2). */
function collectPrompts(found: Collector, { vision, text }: ClipConfig): StoredPrompts | undefined {
  if (found.prompts.size === 0) return undefined;
  const of = (tower: string, { width, layers }: TowerConfig): StoredTensor[] => {
    const count = [...found.prompts.keys()].filter((name) => name.startsWith(tower)).length;
    if (count > layers) throw found.fail(`it has ${count} ${tower} prompts for ${layers} blocks`);
    return Array.from({ length: count }, (_, i) => {
      const prompt = found.prompts.get(`${tower}.${i}`);
      if (!prompt)
        throw found.fail(`the ${tower} prompt of block ${i} is missing, though later ones are there`);
      const rows = found.prompts.get(`${tower}.0`)!.shape[0] ?? 0;
      if (rows < 1 || !sameShape(prompt.shape, [rows, width]))
        throw found.fail(mismatch(found.describe(prompt.name), prompt.shape, [Math.max(1, rows), width]));
      return prompt;
    });
  };
  return { text: of('text', text), vision: of('vision', vision) };
}

function someKeys(tensors: ReadonlyMap<string, StoredTensor>): string {
  const keys = [...tensors.keys()].slice(0, 3);
  return keys.length > 0
    ? `: its first keys are ${keys.map((key) => `"${key}"`).join(', ')}`
    : ': it is empty';
}
