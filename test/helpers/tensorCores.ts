/** A GPU that is only described: with tensor cores for float16, as activations and memory depend on them. */
import type { Capabilities } from '../../engine/capabilities.js';
import { PORTABLE } from '../../engine/capabilities.js';

export const TENSOR_CORES: Capabilities = {
  ...PORTABLE,
  level: 'matrix',
  f16: true,
  subgroupMatrix: [{ componentType: 'f16', resultComponentType: 'f32', M: 16, N: 16, K: 16 }],
};
