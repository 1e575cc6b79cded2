/** Attention on subgroup matrices: the first choice where there are any for float16. */
import type { SubgroupMatrixConfig } from '../../capabilities.js';
import { type Capabilities, matrixSubgroup } from '../../capabilities.js';
import type { Shader } from '../../graph/dispatch.js';
import { type AttentionEntry, type AttentionLaunch, HEAD } from './launch.js';

/** Rows of the other side that a workgroup of attention_matrix.wgsl takes at a time. */
const BLOCK = 32;
const SUBGROUPS = 4;

/** Bytes of workgroup memory: the stage and the weights in float16, the strips in float32, and their padding. */
function memory({ M }: SubgroupMatrixConfig): number {
  const own = SUBGROUPS * M;
  const stage = Math.max(own, 2 * BLOCK) * (HEAD / 8 + 1) * 16;
  const strips = own * (BLOCK / 4 + 1) * 16;
  const weights = own * (BLOCK / 4 + 2) * 8;
  const columns = 2 * BLOCK * 4;
  return stage + strips + weights + columns;
}

/** The matrices that can do it: float16 in, float32 out, and a subgroup's lanes share the rows of one evenly. */
export function attentionMatrices(
  { reads, writes }: AttentionLaunch,
  capabilities: Capabilities,
): readonly SubgroupMatrixConfig[] {
  const { qkv, o, d_o } = { ...reads, ...writes };
  const halves = [qkv, o, d_o].every((tensor) => tensor === undefined || tensor.dtype === 'f16');
  if (capabilities.level !== 'matrix' || !capabilities.f16 || !halves) return [];
  const { LANES } = matrixSubgroup(capabilities);
  return capabilities.subgroupMatrix.filter((config) => {
    const { componentType, resultComponentType, M, N, K } = config;
    const fits = [M, N, K].every((edge) => edge % 8 === 0 && BLOCK % edge === 0);
    const parts = LANES / M;
    const shared = Number.isInteger(parts) && BLOCK % (4 * parts) === 0;
    return (
      componentType === 'f16' &&
      resultComponentType === 'f32' &&
      fits &&
      shared &&
      memory(config) <= capabilities.workgroupMemory
    );
  });
}

/** The kernel, and the rows that a workgroup owns. */
export function attentionMatrixKernel(
  entry: AttentionEntry,
  { M, N, K }: SubgroupMatrixConfig,
  capabilities: Capabilities,
): Pick<Shader, 'shader' | 'constants'> & { readonly own: number } {
  const subgroup = matrixSubgroup(capabilities);
  const PARTS = subgroup.LANES / M;
  return {
    shader: entry === 'forward' ? 'attention_matrix' : 'attention_matrix_gradient',
    own: SUBGROUPS * M,
    constants: {
      BLOCK,
      MAT_M: M,
      MAT_N: N,
      MAT_K: K,
      ...subgroup,
      PARTS,
      PARTS_SHARE: PARTS > 1,
      QUADS: BLOCK / PARTS / 4,
      LEFTS: HEAD / K,
      SCORES: BLOCK / N,
      STEPS: BLOCK / K,
      HALVES: HEAD / BLOCK,
    },
  };
}

export const attentionMatrixName = ({ componentType, M, N, K }: SubgroupMatrixConfig): string =>
  `matrix ${componentType} ${M}x${N}x${K}`;
