/** How row-wise kernels reduce, by what an adapter can do. */
import { expect, it } from 'vitest';
import type { Capabilities } from '../../../engine/gpu/gpu.js';
import { reductionConstants } from '../../../engine/ops/rows.js';

it('workgroups reduce by subgroups only where these have numbers', () => {
  const gpu: Capabilities = {
    ...{ f16: true, subgroups: true, subgroupMatrix: [], workgroupMemory: 16384, timestamps: false },
    ...{ software: false, level: 'subgroups' },
  };
  expect(reductionConstants(1, gpu).SUBGROUPS).toBe(true);
  expect(reductionConstants(1, { ...gpu, unnumberedSubgroups: true }).SUBGROUPS).toBe(false);
  expect(reductionConstants(1, { ...gpu, level: 'portable' }).SUBGROUPS).toBe(false);
});
