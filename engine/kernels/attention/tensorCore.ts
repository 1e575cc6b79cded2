/** Attention on tensor cores (subgroup matrices): the first choice where there are any for float16. */
import { type Capabilities, matrixSubgroup, type SubgroupMatrixConfig } from '../../capabilities.js';
import { type AttentionEntry, type AttentionKernel, type AttentionLaunch, HEAD_WIDTH } from './launch.js';

/** Rows of a block of the streamed side. */
const BLOCK = 32;
/** Subgroups of a workgroup, each with its part of the tile. */
const SUBGROUPS = 4;

/** Bytes of workgroup memory: rows and weights in float16, scores in float32, their padding, and lse and delta of a block. */
function memory({ M }: SubgroupMatrixConfig): number {
  const tileRows = SUBGROUPS * M;
  const rows = Math.max(tileRows, 2 * BLOCK) * (HEAD_WIDTH / 8 + 1) * 16;
  const scores = tileRows * (BLOCK / 4 + 1) * 16;
  const weights = tileRows * (BLOCK / 4 + 2) * 8;
  const lseAndDelta = 2 * BLOCK * 4;
  return rows + scores + weights + lseAndDelta;
}

/** The matrices that can do it: float16 in, float32 out, of sizes such that a subgroup's lanes share the rows of one evenly. */
export function attentionTensorCoreConfigs(
  { reads, writes }: AttentionLaunch,
  capabilities: Capabilities,
): readonly SubgroupMatrixConfig[] {
  const { qkv, o, d_o } = { ...reads, ...writes };
  const float16 = [qkv, o, d_o].every((tensor) => tensor === undefined || tensor.dtype === 'f16');
  if (capabilities.level !== 'matrix' || !capabilities.f16 || !float16) return [];
  const { LANES } = matrixSubgroup(capabilities);
  return capabilities.subgroupMatrix.filter((config) => {
    const { componentType, resultComponentType, M, N, K } = config;
    const fits = [M, N, K].every((edge) => edge % 8 === 0 && BLOCK % edge === 0);
    const lanesPerRow = LANES / M;
    const even = Number.isInteger(lanesPerRow) && BLOCK % (4 * lanesPerRow) === 0;
    return (
      componentType === 'f16' &&
      resultComponentType === 'f32' &&
      fits &&
      even &&
      memory(config) <= capabilities.workgroupMemory
    );
  });
}

/** The kernel on matrices of one size, which `attentionTensorCoreConfigs` offered. */
export function attentionTensorCoreKernel(
  entry: AttentionEntry,
  { M, N, K }: SubgroupMatrixConfig,
  capabilities: Capabilities,
): AttentionKernel {
  const subgroup = matrixSubgroup(capabilities);
  const LANES_PER_ROW = subgroup.LANES / M;
  return {
    shader: entry === 'forward' ? 'attention_tensor_core' : 'attention_tensor_core_backward',
    tileRows: SUBGROUPS * M,
    constants: {
      BLOCK,
      MAT_M: M,
      MAT_N: N,
      MAT_K: K,
      ...subgroup,
      LANES_PER_ROW,
      ROW_IS_SHARED: LANES_PER_ROW > 1,
      VECTORS_PER_LANE: BLOCK / LANES_PER_ROW / 4,
      K_FRAGMENTS: HEAD_WIDTH / K,
      N_FRAGMENTS: BLOCK / N,
      WEIGHT_FRAGMENTS: BLOCK / K,
      BLOCKS_PER_HEAD: HEAD_WIDTH / BLOCK,
    },
  };
}

/** The name of the candidate. */
export const attentionTensorCoreName = ({ componentType, M, N, K }: SubgroupMatrixConfig): string =>
  `tensor-core ${componentType} ${M}x${N}x${K}`;
