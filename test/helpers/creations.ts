import type { Gpu } from '../../engine/gpu/gpu.js';

/** What a planned step must not create. */
export interface Creations {
  buffers: number;
  bindGroups: number;
  pipelines: number;
}

const WATCHED = {
  createBuffer: 'buffers',
  createBindGroup: 'bindGroups',
  createComputePipeline: 'pipelines',
  createComputePipelineAsync: 'pipelines',
} as const;

/** Counts what is created on the device from now until the returned function is called. */
export function countCreations({ device }: Gpu): () => Creations {
  const counts: Creations = { buffers: 0, bindGroups: 0, pipelines: 0 };
  const methods = device as unknown as Record<string, unknown>;
  for (const [method, kind] of Object.entries(WATCHED)) {
    const original = (methods[method] as (...args: unknown[]) => unknown).bind(device);
    methods[method] = (...args: unknown[]) => {
      counts[kind]++;
      return original(...args);
    };
  }
  return () => {
    for (const method of Object.keys(WATCHED)) delete methods[method];
    return counts;
  };
}

export const NOTHING: Creations = { buffers: 0, bindGroups: 0, pipelines: 0 };
