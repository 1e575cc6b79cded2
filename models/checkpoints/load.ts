import { UserError } from '../../engine/index.js';
import { isRecord, readLimitedJson } from '../../formats/json.js';
import { openByContent } from '../../formats/openByContent.js';
import { beside } from '../../formats/sharded.js';
import type { ModelConfigJson } from '../../formats/tensors.js';
import type { Platform } from '../platform.js';
import { type CanonicalState, canonicalState } from './keys.js';

/** A CLIP on disk, whatever its format: OpenAI's names, checked shapes, nothing read but the description. */
export interface ClipCheckpoint extends Omit<CanonicalState, 'naming'> {
  /** The file that was opened (the index for sharded ones). */
  readonly path: string;
  /** For people, e.g. "TorchScript archive, OpenAI names". */
  readonly format: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** Whether nothing says which activation it has: neither a config beside it nor its own metadata. */
  readonly activationAssumed: boolean;
  /**
   * SHA-256 in hex of the file at `path`, or of the hashes of an index and its shards; reads all of them, once. Call it before the weights are loaded and await it after.
   */
  sha256(): Promise<string>;
  /** "ViT-B/16" and the like when the file is one that OpenAI published; reads all of it, once. */
  officialName(): Promise<string | undefined>;
}

/**
 * Opens a CLIP checkpoint, recognised by its content: safetensors (single or sharded), TorchScript archive, PyTorch state
 * dict or trainer checkpoint.
 *
 * @param path a file, or a folder that holds one checkpoint
 * @throws UserError naming file and key when it is missing, damaged, of an unknown format, or no CLIP
 */
export async function loadCheckpoint(platform: Platform, path: string): Promise<ClipCheckpoint> {
  const file = await findFile(platform, path);
  const opened = await openByContent(platform, file);
  const config = await readConfig(platform, file);
  const { naming, ...state } = canonicalState({ ...opened, config });
  let hash: Promise<string> | undefined;
  const sha256 = () => {
    if (!hash) {
      hash = hashOf(platform, [file, ...(opened.parts ?? [])]);
      // Prevents an unhandled rejection if the caller fails before it awaits this.
      hash.catch(() => undefined);
    }
    return hash;
  };
  return {
    ...state,
    path: file,
    format: `${opened.format}, ${naming}`,
    metadata: opened.metadata,
    activationAssumed: config === undefined && opened.metadata.activation === undefined,
    sha256,
    officialName: async () => OFFICIAL[await sha256()],
  };
}

async function hashOf(platform: Platform, files: readonly string[]): Promise<string> {
  const hashes: string[] = [];
  for (const file of files) hashes.push(await platform.sha256(file, { keep: true }));
  return hashes.length === 1 ? hashes[0]! : platform.sha256Bytes(new TextEncoder().encode(hashes.join('\n')));
}

/** SHA-256 of the files that OpenAI published, as its clip/clip.py has them in the URLs. */
const OFFICIAL: Readonly<Record<string, string>> = {
  '40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af': 'ViT-B/32',
  '5806e77cd80f8b59890b7e101eabd078d9fb84e6937f9e85e4ecb61988df416f': 'ViT-B/16',
  b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836: 'ViT-L/14',
  '3035c92b350959924f9f00213499208652fc7ea050643e8b385c2dac08641f02': 'ViT-L/14@336px',
};

/** What Hugging Face and open_clip call a model's weights, the best first; beside them may lie optimiser states and the like. */
const USUAL_NAMES = [
  'model.safetensors',
  'model.safetensors.index.json',
  'open_clip_model.safetensors',
  'pytorch_model.bin',
  'pytorch_model.bin.index.json',
  'open_clip_pytorch_model.bin',
] as const;
const CHECKPOINT_NAME = /\.(safetensors|pt|pth|bin|tar)$|\.pth\.tar-\d+$/;

async function findFile(platform: Platform, path: string): Promise<string> {
  const found = await platform.stat(path);
  if (!found) throw new UserError(`${path} does not exist`, 'check the path of the checkpoint');
  if (found.kind !== 'folder') return path;
  const files = (await platform.list(path)).filter(({ kind }) => kind === 'file');
  const usual = USUAL_NAMES.find((name) => files.some((file) => file.name === name));
  if (usual) return platform.join(path, usual);
  const candidates = files.map((file) => file.name).filter((name) => CHECKPOINT_NAME.test(name));
  if (candidates.length === 1) return platform.join(path, candidates[0]!);
  if (candidates.length === 0)
    throw new UserError(
      `the folder ${path} holds no checkpoint`,
      'put model.safetensors, a .pt, .pth or .pth.tar file there, or give the file itself',
    );
  throw new UserError(
    `the folder ${path} holds ${candidates.length} checkpoints: ${candidates.slice(0, 5).join(', ')}`,
    'give the path of the one you mean',
  );
}

/** What a config is called, and a field that only a CLIP's has. */
const CONFIGS = [
  ['config.json', 'vision_config'],
  ['open_clip_config.json', 'model_cfg'],
] as const;
/** In bytes; those of Hugging Face have 5 kB. */
const MAX_CONFIG = 2 ** 20;

/** The Hugging Face or open_clip config beside a checkpoint. */
async function readConfig(platform: Platform, file: string): Promise<ModelConfigJson | undefined> {
  for (const [name, field] of CONFIGS) {
    const path = beside(platform, file, name);
    if ((await platform.stat(path))?.kind !== 'file') continue;
    const json = await readLimitedJson(platform, path, MAX_CONFIG, 'a config');
    // A `config.json` of anything else than a CLIP says nothing about these weights.
    if (isRecord(json) && Object.hasOwn(json, field)) return json;
  }
  return undefined;
}
