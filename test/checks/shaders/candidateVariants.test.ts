/** No adapter here has subgroup matrices of the sizes that GPUs have; Dawn's null backend compiles kernels for all of them. */
import { expect, it } from 'vitest';
import { candidateVariants } from '../../../checks/shaders/candidateVariants.js';
import { refusalOf } from '../../../checks/shaders/shaderVariants.js';
import { openGpu } from '../../../engine/gpu/gpu.js';

it('compiles every kernel on subgroup matrices', { timeout: 120_000 }, async () => {
  const gpu = await openGpu({ backend: 'null' });
  const sources = candidateVariants('matrix').filter(({ name }) => /tensor_core/.test(name));
  expect(new Set(sources.map(({ name }) => name.split('.')[0]))).toEqual(
    new Set(['matmul_tensor_core', 'attention_tensor_core', 'attention_tensor_core_backward']),
  );
  const texts = new Map(sources.map((source) => [source.code, source]));
  const refused: (string | undefined)[] = [];
  for (const source of texts.values()) refused.push(await refusalOf(gpu, source));
  expect(refused.filter((why) => why !== undefined)).toEqual([]);
  gpu.destroy();
});
