/** The state of an interrupted run: everything that a later process needs to end with the same bits. */
import type { Gpu } from '../../engine/gpu.js';
import { readLeaf, write } from '../../engine/memory.js';
import type { Tensor } from '../../engine/tensor.js';
import { encodeSafetensors, openSafetensors } from '../checkpoints/safetensors.js';
import type { Platform } from '../platform.js';

/** Named variables; names must be unique. */
export type StateTensors = ReadonlyMap<string, Tensor>;

/** Variables as a safetensors file. */
export async function encodeState(
  gpu: Gpu,
  tensors: StateTensors,
  metadata: Readonly<Record<string, string>>,
): Promise<Uint8Array> {
  const entries = [];
  for (const [name, tensor] of tensors)
    entries.push({ name, dtype: 'F32' as const, shape: tensor.shape, data: await readLeaf(gpu, tensor) });
  return encodeSafetensors(entries, metadata);
}

/** Fills variables from a file that `encodeState` made; returns its metadata. */
export async function restoreState(
  gpu: Gpu,
  platform: Platform,
  path: string,
  tensors: StateTensors,
): Promise<Readonly<Record<string, string>>> {
  const file = await openSafetensors(platform, path);
  for (const [name, tensor] of tensors) {
    const stored = file.tensors.get(name);
    if (!stored) throw new Error(`${path} lacks ${name}`);
    write(gpu, tensor, await stored.read());
  }
  return file.metadata;
}

/** Parameters, optimiser state and further variables under their labels. */
export function stateOf(...groups: readonly (readonly Tensor[])[]): StateTensors {
  return new Map(groups.flat().map((tensor) => [tensor.label, tensor]));
}
