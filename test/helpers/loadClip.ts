import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { nodePlatform } from '../../cli/platform/node.js';
import type { Gpu } from '../../engine/gpu/gpu.js';
import { loadCheckpoint } from '../../models/checkpoints/load.js';
import { type ClipModel, loadModel } from '../../models/clip/model.js';
import type { Precision } from '../../models/clip/precision.js';
import type { RandomClip } from './randomClip.js';

/** A random CLIP on a device, through a checkpoint that is written into `folder`. */
export async function loadClip(
  gpu: Gpu,
  { file }: RandomClip,
  folder: string,
  precision: Precision = 'f32',
): Promise<ClipModel> {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, 'model.safetensors');
  writeFileSync(path, file);
  return loadModel(gpu, await loadCheckpoint(nodePlatform, path), { precision });
}
