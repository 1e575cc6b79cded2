/** What runs leave in their folders. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { nodePlatform } from '../../cli/platform/node.js';
import { openSafetensors } from '../../formats/safetensors.js';
import type { Job } from '../../models/job.js';

/** The lines of a run's metrics. */
export const metricsOf = (out: string) =>
  readFileSync(join(out, 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Readonly<Record<string, number>>);

/** Every tensor of a safetensors file. */
export async function tensorsOf(path: string): Promise<Map<string, Float32Array>> {
  const { tensors } = await openSafetensors(nodePlatform, path);
  const values = new Map<string, Float32Array>();
  for (const [name, tensor] of tensors) values.set(name, await tensor.read());
  return values;
}

/** A job whose checkpoints behind each epoch are kept here, by epoch: a run itself keeps the last two. */
export function withEpochEnds(job: Job): { job: Job; ends: Map<number, Map<string, Float32Array>> } {
  const ends = new Map<number, Map<string, Float32Array>>();
  const platform: Job['platform'] = {
    ...job.platform,
    write: async (path, data) => {
      await job.platform.write(path, data);
      const epoch = Number(/epoch-(\d+)\.safetensors$/.exec(path)?.[1] ?? 0);
      if (epoch > 0) ends.set(epoch, await tensorsOf(path));
    },
  };
  return { job: { ...job, platform }, ends };
}
