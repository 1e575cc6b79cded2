/** Writes CLIPs with random weights, so that starts need no download. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { nodePlatform } from '../../cli/platform/node.js';
import { UserError } from '../../engine/errors.js';
import { streamSafetensors } from '../../formats/safetensors.js';
import { expectedShapes } from '../../models/clip/config.js';
import { isKnownModel, KNOWN_MODELS } from '../../models/clip/knownModels.js';
import { randomWeight } from '../workloads/values.js';

/**
 * Writes a published model with random float32 weights, the type of most checkpoints, and a vocabulary of its size.
 *
 * @throws UserError when no model of that name was published
 */
export async function writeRandomClip(folder: string, model: string): Promise<void> {
  if (!isKnownModel(model))
    throw new UserError(
      `${model} is not a published model`,
      `choose one of ${Object.keys(KNOWN_MODELS).join(', ')}`,
    );
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'bpe_simple_vocab_16e6.txt'), mergeList());
  const tensors = [...expectedShapes(KNOWN_MODELS[model])].map(([name, shape]) => ({
    name,
    dtype: 'F32' as const,
    shape,
    bytes: async () => new Uint8Array(randomWeight(name, shape).buffer as ArrayBuffer),
  }));
  await nodePlatform.write(join(folder, 'model.safetensors'), streamSafetensors(tensors));
}

/** Number of merges in CLIP's vocabulary. */
const MERGES = 49152 - 256 - 2;

/** As many merges as CLIP has: pairs of all printable letters, then triples, which are unlikely in any text. */
function mergeList(): string {
  const letters = Array.from({ length: 94 }, (_, i) => String.fromCharCode(33 + i));
  const merges = letters.flatMap((a) => letters.map((b) => `${a} ${b}`));
  for (let i = 0; merges.length < MERGES; i++)
    merges.push(`${merges[Math.floor(i / letters.length)]!.replace(' ', '')} ${letters[i % letters.length]}`);
  return ['a random vocabulary', ...merges].join('\n');
}
