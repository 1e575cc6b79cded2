/** No adapter here has subgroup matrices of the sizes that GPUs have; Dawn's null backend compiles kernels for all of them. */
import { expect, it } from 'vitest';
import { openGpu } from '../../engine/gpu.js';
import { candidateVariants } from '../../models/candidateVariants.js';

/** The null backend has the smallest limits that WebGPU allows; on a GPU a kernel's own are looked at before it is offered. */
const LIMIT = /total use of workgroup storage .* larger than the maximum allowed/;

it('compiles every kernel on subgroup matrices', { timeout: 120_000 }, async () => {
  const gpu = await openGpu({ backend: 'null' });
  const sources = candidateVariants('matrix').filter(({ name }) => /matrix/.test(name));
  expect(new Set(sources.map(({ name }) => name.split('.')[0]))).toEqual(
    new Set(['matmul_matrix', 'attention_matrix', 'attention_matrix_gradient']),
  );
  const texts = new Map(sources.map((source) => [source.code, source]));
  const refused: string[] = [];
  for (const { name, code, entry } of texts.values())
    await gpu
      .scoped(name, () => {
        const module = gpu.device.createShaderModule({ label: name, code });
        gpu.device.createComputePipeline({ layout: 'auto', compute: { module, entryPoint: entry } });
      })
      .catch((error: Error) => {
        if (!LIMIT.test(error.message)) refused.push(error.message);
      });
  expect(refused).toEqual([]);
  gpu.destroy();
});
