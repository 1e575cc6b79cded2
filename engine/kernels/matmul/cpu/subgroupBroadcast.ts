/** The subgroup-broadcast matmul, for software adapters whose subgroups are vectors of the CPU: lanes share what they load of A. */
import type { Dispatch } from '../../../graph/dispatch.js';
import { type MatmulProblem, matmulDispatch, tilesOf } from '../launch.js';

/** The tile of results of one subgroup, which is a workgroup. */
export interface SubgroupBroadcastTile {
  readonly rows: number;
  /** Vectors of four columns that each lane holds. */
  readonly vectors: number;
  /** Steps of k at once; 4 needs both operands to be contiguous along k. */
  readonly tileK: 1 | 4;
}

/** With more accumulators a lane, kernels take seconds to compile and gain little. */
const TILES: readonly (readonly [rows: number, vectors: number])[] = [
  [24, 2],
  [16, 2],
  [32, 1],
  [16, 1],
  [8, 2],
  [8, 1],
  [4, 1],
];

/**
 * Four steps of k at once halve the loads where both operands are contiguous along k, but need four times the registers. They pay
 * with 8 lanes and 16 registers of 8 (lavapipe); with 4 lanes (SwiftShader) only where B is float16, which is unpacked from words.
 * More than one vector of columns does not fit the registers.
 */
const takesFourK = ({ b, sizes: { k, transposeA, transposeB } }: MatmulProblem, lanes: number) =>
  !transposeA && transposeB && k % 4 === 0 && (lanes >= 8 || b.dtype === 'f16');

/**
 * Whether the epilogue reads the sums back from shared memory. On lavapipe it always pays (a layer with a bias takes a tenth less
 * time, a float16 matmul with B row-major a third less), on SwiftShader only with four steps of k at once (a third less; otherwise
 * it costs a tenth).
 */
const finishesFromSharedMemory = (lanes: number, fourK: boolean) => lanes >= 8 || fourK;

/**
 * Cost of a step over k, in multiply-adds of a vector. Fitted to four tiles measured on lavapipe (512 x 768 x 768), all of which it
 * reproduces within 3 %.
 */
function stepCost({ rows, vectors }: SubgroupBroadcastTile, lanes: number): number {
  const columns = 4 * vectors;
  return rows * columns + 7 * columns + (9 * rows) / Math.min(lanes, rows) + 3;
}

/** Runs over which the compilation of a kernel is spread: a large tile compiles for longer than a small matmul ever runs. */
const RUNS = 1000;
/** Milliseconds of a multiply-add of a vector on two cores (lavapipe). */
const VECTOR_MS = 0.4e-6;
/** Milliseconds to compile an accumulator, by the steps of k at once (lavapipe, two cores). */
const COMPILE_MS = { 1: 5, 4: 20 } as const;

/** The tiles that can compute `problem`, the one that should take the least time on a few cores first. */
export function subgroupBroadcastTiles(problem: MatmulProblem, lanes: number): SubgroupBroadcastTile[] {
  const { sizes } = problem;
  const tileK = takesFourK(problem, lanes) ? 4 : 1;
  const cost = (tile: SubgroupBroadcastTile) => {
    const tiles = tilesOf(sizes, tile.rows, 4 * tile.vectors * lanes);
    // A few cores share the tiles; in rounds of four, none of them is idle for long.
    const run = Math.ceil(tiles / 4) * 4 * sizes.k * stepCost(tile, lanes) * VECTOR_MS;
    return RUNS * run + tile.rows * 4 * tile.vectors * COMPILE_MS[tileK];
  };
  return TILES.filter(([rows]) => rows <= lanes || rows % lanes === 0)
    .filter(([, vectors]) => tileK === 1 || vectors === 1)
    .map(([rows, vectors]): SubgroupBroadcastTile => ({ rows, vectors, tileK }))
    .sort((x, y) => cost(x) - cost(y));
}

/** The launch of matmul_subgroup_broadcast.wgsl that computes `problem` with subgroups of `lanes`. */
export function subgroupBroadcastDispatch(
  problem: MatmulProblem,
  lanes: number,
  tile: SubgroupBroadcastTile,
): Dispatch {
  const { sizes } = problem;
  const { rows, vectors, tileK } = tile;
  const fourK = tileK === 4;
  const rowMajorB = !sizes.transposeB && sizes.n % 4 === 0;
  const rowsPerGroup = Math.min(lanes, rows);
  return matmulDispatch('matmul_subgroup_broadcast', problem, {
    tileM: rows,
    tileN: 4 * vectors * lanes,
    band: 8,
    vectorA: fourK,
    vectorB: fourK || rowMajorB,
    constants: {
      LANES: lanes,
      TILE_M: rows,
      ROW_GROUPS: rows / rowsPerGroup,
      ROWS_PER_GROUP: rowsPerGroup,
      VECTORS: vectors,
      FOUR_K: fourK,
      SHARED_EPILOGUE: finishesFromSharedMemory(lanes, fourK),
      ROW_MAJOR_B: rowMajorB,
    },
  });
}
