/** A CLIP with random weights, as a graph on the host and as a checkpoint file. */

import { constant, type Tensor } from '../../engine/graph/tensor.js';
import { fromHalf, toHalf } from '../../engine/half.js';
import { encodeSafetensors } from '../../formats/safetensors.js';
import { type ClipConfig, expectedShapes } from '../../models/clip/config.js';
import type { ClipGraph } from '../../models/clip/model.js';
import { encodeText, lookUp, trimTokens } from '../../models/clip/text.js';
import { Weights } from '../../models/clip/weights.js';

export const CONTEXT = 16;
export const VOCABULARY = 40;

export interface RandomClip extends ClipGraph {
  readonly table: Float32Array;
  readonly file: Uint8Array;
}

export function textInputs({ config, table }: RandomClip, sequences: readonly Int32Array[]) {
  const { tokens, endRows, count, length } = trimTokens(sequences);
  const { width, vocabulary } = config.text;
  const tokenRows = new Map(
    Array.from({ length: vocabulary }, (_, token) => [
      token,
      table.subarray(token * width, (token + 1) * width),
    ]),
  );
  const rows = lookUp(tokenRows, width, tokens);
  return {
    embedded: constant(rows, [count, length, config.text.width]),
    endRows: constant(endRows, [count]),
  };
}

export function textFeatures(
  clip: RandomClip,
  sequences: readonly Int32Array[],
  prompts: readonly Tensor[] = [],
): Tensor {
  const { embedded, endRows } = textInputs(clip, sequences);
  return encodeText(clip.weights, clip.config, embedded, endRows, prompts);
}

/** Matrices are of float16 numbers, as in published checkpoints, so both precisions compute the same. */
export function randomClip(
  normal: (count: number, scale?: number) => Float32Array,
  size: {
    embed: number;
    width: number;
    layers: number;
    textLayers: number;
    patch: number;
    resolution: number;
    vocabulary?: number;
    contextLength?: number;
  },
): RandomClip {
  const { embed, width, layers, textLayers, patch, resolution } = size;
  const { vocabulary = VOCABULARY, contextLength = CONTEXT } = size;
  const config: ClipConfig = {
    embed,
    vision: { width, layers, heads: width / 64, patch, resolution, tokens: (resolution / patch) ** 2 + 1 },
    text: { width: 64, layers: textLayers, heads: 1, vocabulary, contextLength },
    activation: 'quickGelu',
    layerNormEps: 1e-5,
  };
  const leaves = new Map<string, Tensor>();
  for (const [name, shape] of expectedShapes(config)) {
    const count = shape.reduce((product, n) => product * n, 1);
    const drawn = normal(count, shape.length > 1 ? 1 / Math.sqrt(count / shape[0]!) : 0.1);
    const values = shape.length > 1 ? fromHalf(toHalf(drawn)) : drawn;
    if (/ln_\w+\.weight$/.test(name)) values.set(values.map((value) => 1 + value));
    if (name === 'logit_scale') values.fill(Math.log(1 / 0.07));
    leaves.set(name, constant(values, shape, name));
  }
  const file = encodeSafetensors(
    [...leaves].map(([name, { shape, leaf }]) => ({
      name,
      dtype: 'F32',
      shape,
      data: leaf!.data as Float32Array,
    })),
  );
  const table = leaves.get('token_embedding.weight')!.leaf!.data as Float32Array;
  return { config, weights: new Weights(leaves), logitScale: 1 / 0.07, table, file };
}
