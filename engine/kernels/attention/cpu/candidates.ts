/**
 * The attention kernels of software adapters whose subgroups are vectors of the CPU. Tile sizes here were measured on lavapipe
 * (8 lanes) and SwiftShader (4 lanes) alone; what GPUs get is in ../candidates.ts.
 */
import type { Capabilities } from '../../../capabilities.js';
import { type AttentionEntry, type AttentionKernel, HEAD_WIDTH } from '../launch.js';

/** The most rows of a subgroup's tile with the head split over the lanes: tile and sums have to fit a CPU's first cache. */
const HEAD_SPLIT_ROWS = { forward: 16, backward_dq: 12, backward_dkv: 8 } as const;
/** The most rows of each lane where every lane has rows of its own, for the same reason. */
const ROWS_PER_LANE = { forward: 5, backward_dq: 5, backward_dkv: 4 } as const;

/** The kernel for CPU adapters with subgroups of 4, 8 or 16 lanes, all of one size; undefined for other adapters. */
export function cpuAttentionKernel(
  tokens: number,
  entry: AttentionEntry,
  { software, level, subgroupSize: [LANES, largest] = [0, 0] }: Capabilities,
): AttentionKernel | undefined {
  if (!software || level === 'portable' || LANES !== largest) return undefined;
  if (LANES === 8 || LANES === 16) {
    const groups = Math.ceil(tokens / HEAD_SPLIT_ROWS[entry]);
    const TILE = Math.ceil(tokens / groups);
    const VECTORS_PER_LANE = HEAD_WIDTH / 4 / LANES;
    return {
      shader: 'attention_head_split',
      tileRows: TILE,
      constants: { LANES, TILE, VECTORS_PER_LANE, TILE_VECTORS: TILE * VECTORS_PER_LANE },
    };
  }
  if (LANES === 4) {
    const groups = Math.ceil(tokens / (ROWS_PER_LANE[entry] * LANES));
    const rows = Math.ceil(tokens / groups / LANES);
    const shader = entry === 'forward' ? 'attention_rows_per_lane' : 'attention_rows_per_lane_backward';
    const constants = {
      LANES,
      ROWS_PER_LANE: rows,
      BLOCK_ROWS_PER_LANE: entry === 'forward' ? 2 : 1,
      UNROLL: 1,
    };
    return { shader, tileRows: rows * LANES, constants };
  }
  return undefined;
}
