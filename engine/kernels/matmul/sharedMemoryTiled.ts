/** The shared-memory-tiled matmul: plain WGSL for GPUs, with tiles of A and B in workgroup memory. */
import type { Dispatch } from '../../graph/dispatch.js';
import type { Candidate } from '../../graph/tunable.js';
import { type MatmulProblem, matmulDispatch } from './launch.js';

/** Edge of a workgroup's square tile: 128 (256 invocations of 8 x 8 results), 64 (64 of 8 x 8) or 32 (64 of 4 x 4). */
export type SharedMemoryTile = 128 | 64 | 32;
/** All of them, the largest first. */
export const SHARED_MEMORY_TILES: readonly SharedMemoryTile[] = [128, 64, 32];
/** Depth of a step over k. */
const TILE_K = 16;

/** The launch of matmul_shared_memory.wgsl that computes `problem`, in any layout and size. */
function sharedMemoryDispatch(problem: MatmulProblem, tile: SharedMemoryTile): Dispatch {
  const { m, n, k, transposeA, transposeB } = problem.sizes;
  const blocks = tile === 32 ? 1 : 2;
  const invocations = (tile / 4 / blocks) ** 2;
  const vectorA = (transposeA ? m : k) % 4 === 0;
  const vectorB = (transposeB ? k : n) % 4 === 0;
  return matmulDispatch('matmul_shared_memory', problem, {
    tileM: tile,
    tileN: tile,
    band: 8,
    vectorA,
    vectorB,
    constants: {
      TILE: tile,
      BLOCKS_M: blocks,
      BLOCKS_N: blocks,
      INVOCATIONS: invocations,
      FETCHES: (2 * tile) / invocations,
      TILE_K,
      RAGGED_K: k % TILE_K !== 0,
      VECTOR_A: vectorA,
      VECTOR_B: vectorB,
    },
  });
}

/** The kernel with a tile, as a candidate. */
export const sharedMemoryCandidate = (tile: SharedMemoryTile): Candidate<MatmulProblem> => ({
  name: `shared-memory-tiled ${tile}`,
  dispatch: (problem) => sharedMemoryDispatch(problem, tile),
});
