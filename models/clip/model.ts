/** A CLIP on a device. Weights are uploaded one by one; those that the host needs stay in the file until they are read. */
import { type Gpu, release, type Tensor, UserError } from '../../engine/index.js';
import { mismatch, type StoredTensor, sameShape } from '../../formats/tensors.js';
import type { ClipCheckpoint } from '../checkpoints/load.js';
import type { ClipConfig } from './config.js';
import { activationDtype, type Precision, weightLeaf } from './precision.js';
import { uploadWeights, type WeightSource } from './upload.js';
import { Weights } from './weights.js';

/** Looked up on the host (the table) or folded into a scalar (the scale): never uploaded. */
const HOST_ONLY = new Set(['token_embedding.weight', 'logit_scale']);

/** What a graph of the encoders is recorded from; the weights need no data for that. */
export interface ClipGraph {
  readonly config: ClipConfig;
  readonly weights: Weights;
  /** `exp(logit_scale)`: what cosines are multiplied by. */
  readonly logitScale: number;
}

/** A CLIP whose weights are on a device. */
export interface ClipModel extends ClipGraph {
  /** Token embeddings `[vocabulary, text width]`, of which a class set needs few rows; absent in checkpoints without them. */
  readonly tokenTable?: StoredTensor;
  readonly checkpoint: ClipCheckpoint;
  /** Frees the weights of the text tower, once every text feature is there. */
  releaseText(): void;
  /** Frees the weights on the device. */
  release(): void;
}

/** What of a CLIP is loaded, and how. */
export interface LoadOptions {
  readonly vision?: boolean;
  readonly text?: boolean;
  /** Makes the weights variables, which an optimiser may change. */
  readonly trainable?: boolean;
  /** Of frozen weights and, on tensor cores, of activations (default f32); trainable weights are float32. */
  readonly precision?: Precision;
  /** Weights to take in place of the checkpoint's, by their names. */
  readonly replaced?: ReadonlyMap<string, StoredTensor>;
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * Uploads the towers asked for (default both).
 *
 * @throws UserError when `replaced` has a weight of another shape, or the checkpoint has no logit scale
 */
export async function loadModel(
  gpu: Gpu,
  checkpoint: ClipCheckpoint,
  {
    vision = true,
    text = true,
    trainable = false,
    precision = 'f32',
    replaced,
    onProgress,
  }: LoadOptions = {},
): Promise<ClipModel> {
  const tensors = new Map<string, Tensor>();
  const wanted = [...checkpoint.tensors].filter(
    ([name]) => !HOST_ONLY.has(name) && (name.startsWith('visual.') ? vision : text),
  );
  const sources = wanted.map(([name, stored]): WeightSource => {
    const leaf = weightLeaf(name, stored.shape, precision, trainable);
    tensors.set(name, leaf);
    const source = replaced?.get(name) ?? stored;
    if (!sameShape(source.shape, stored.shape))
      throw new UserError(
        `in the weights to take in place of those of ${checkpoint.path} ${mismatch(name, source.shape, stored.shape)}`,
        'give the CLIP that they were trained from',
      );
    return { leaf, read: () => (leaf.dtype === 'f16' ? source.readHalf() : source.read()) };
  });
  await uploadWeights(gpu, sources, (done) => onProgress?.(done, sources.length));
  const scale = await checkpoint.tensors.get('logit_scale')?.read();
  if (!scale)
    throw new UserError(`${checkpoint.path}: logit_scale is missing`, 'use a complete CLIP checkpoint');
  return {
    config: checkpoint.config,
    weights: new Weights(tensors, activationDtype(trainable ? 'f32' : precision, gpu.capabilities)),
    ...(text && { tokenTable: checkpoint.tensors.get('token_embedding.weight') }),
    logitScale: Math.exp(scale[0]!),
    checkpoint,
    releaseText: () => {
      for (const [name, tensor] of tensors) if (!name.startsWith('visual.')) release(gpu, tensor);
    },
    release: () => {
      for (const tensor of tensors.values()) release(gpu, tensor);
    },
  };
}
