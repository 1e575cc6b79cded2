/**
 * The register-tiled matmul: plain WGSL without shared memory, made for software adapters without subgroups. GPUs have it as their
 * last resort, and other kernels are compared with it.
 */
import type { Dispatch } from '../../../graph/dispatch.js';
import type { Candidate } from '../../../graph/tunable.js';
import { type MatmulProblem, type MatmulSizes, matmulDispatch, tilesOf } from '../launch.js';

/**
 * Edge of the tile of results that one invocation holds in registers. 8 x 8 needs the fewest loads, but a small matmul then has too
 * few invocations: below these counts of 8 x 8 (4 x 4) workgroup tiles, a two-core software adapter has idle lanes.
 */
function registerTile(sizes: MatmulSizes): number {
  if (tilesOf(sizes, 8, 8) >= 128) return 8;
  return tilesOf(sizes, 4, 4) >= 64 ? 4 : 2;
}

/** The launch of matmul_register_tiled.wgsl that computes `problem`, in any layout and size. */
function registerTiledDispatch(problem: MatmulProblem): Dispatch {
  const { n, k, transposeA, transposeB } = problem.sizes;
  const tileM = registerTile(problem.sizes);
  const tileN = Math.max(4, tileM);
  const dotProducts = !transposeA && transposeB && k % 4 === 0;
  const rowMajorB = !transposeB && n % 4 === 0;
  return matmulDispatch('matmul_register_tiled', problem, {
    tileM: 8 * tileM,
    tileN: 8 * tileN,
    band: 1,
    vectorA: dotProducts,
    vectorB: dotProducts || rowMajorB,
    constants: {
      TILE_M: tileM,
      TILE_N: tileN,
      VECTORS_N: tileN / 4,
      DOT_PRODUCTS: dotProducts,
      ROW_MAJOR_B: rowMajorB,
      SCALAR: !dotProducts && !rowMajorB,
    },
  });
}

/** The kernel as a candidate, on any adapter. */
export const registerTiledCandidate: Candidate<MatmulProblem> = {
  name: 'register-tiled',
  dispatch: registerTiledDispatch,
};
