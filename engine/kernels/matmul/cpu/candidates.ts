/**
 * The matmul kernels of software adapters (lavapipe, SwiftShader), which run WGSL on the CPU. Everything in this folder was
 * measured on those two alone; what GPUs get is in ../candidates.ts and ../rules.ts.
 */
import type { Capabilities } from '../../../capabilities.js';
import type { Candidate } from '../../../graph/tunable.js';
import { type MatmulProblem, type MatmulSizes, tilesOf } from '../launch.js';
import { SHARED_MEMORY_TILES, type SharedMemoryTile, sharedMemoryCandidate } from '../sharedMemoryTiled.js';
import { registerTiledCandidate } from './registerTiled.js';
import { subgroupBroadcastDispatch, subgroupBroadcastTiles } from './subgroupBroadcast.js';

/** Lanes of a subgroup if the adapter has subgroups of one size, which is then the CPU's vector width; else undefined. */
function vectorLanes({ level, subgroupSize }: Capabilities): number | undefined {
  if (level === 'portable' || !subgroupSize) return undefined;
  const [smallest, largest] = subgroupSize;
  return smallest === largest ? smallest : undefined;
}

/** The largest shared-memory tile that still makes some 64 workgroups. Only a tuner gets to it: registers are faster. */
const largestBusyTile = (sizes: MatmulSizes): SharedMemoryTile =>
  SHARED_MEMORY_TILES.find((tile) => tilesOf(sizes, tile, tile) >= 64) ?? 32;

/** The kernels that can compute `problem` on a software adapter, the one with the fewest loads first. */
export function cpuMatmulCandidates(
  problem: MatmulProblem,
  capabilities: Capabilities,
): Candidate<MatmulProblem>[] {
  const lanes = vectorLanes(capabilities);
  if (lanes !== undefined)
    return [
      ...subgroupBroadcastTiles(problem, lanes).map((tile) => ({
        name: `subgroup-broadcast ${tile.rows}x${4 * tile.vectors}, k by ${tile.tileK}`,
        dispatch: (work: MatmulProblem) => subgroupBroadcastDispatch(work, lanes, tile),
      })),
      registerTiledCandidate,
    ];
  const first = largestBusyTile(problem.sizes);
  const tiles = [first, ...SHARED_MEMORY_TILES.filter((tile) => tile !== first)];
  return [registerTiledCandidate, ...tiles.map(sharedMemoryCandidate)];
}
