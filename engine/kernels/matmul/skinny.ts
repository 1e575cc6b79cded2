/** The skinny matmul of a few rows, for GPUs: as fast as B can be read. */
import type { Dispatch } from '../../graph/dispatch.js';
import { type MatmulProblem, matmulDispatch } from './launch.js';

/** Rows that a workgroup computes. */
const ROWS = 8;
/** The most rows for which the kernel pays: B is then read twice, the second time from the cache. */
const MOST_ROWS = 2 * ROWS;
/** Invocations of a workgroup, which share k. */
const INVOCATIONS = 256;
/** Rows whose sums are in workgroup memory at once: 16 KiB. */
const ROWS_PER_ROUND = 4;
/** Sums that an invocation adds first; the square root of INVOCATIONS. */
const SUMS_PER_INVOCATION = 16;
/** Depth below which most invocations would have nothing to multiply. */
const LEAST_K = 64;

/** Whether a matmul has few rows, and A and B can be read in vectors along their last axes. */
export const isSkinny = ({ sizes: { m, n, k, transposeA, transposeB } }: MatmulProblem): boolean =>
  m <= MOST_ROWS && k >= LEAST_K && k % 4 === 0 && !transposeA && (transposeB || n % 4 === 0);

/** The launch of matmul_skinny.wgsl that computes `problem`, for which `isSkinny` holds. */
export function skinnyDispatch(problem: MatmulProblem): Dispatch {
  const { b, sizes } = problem;
  // Where n is contiguous: 32 bytes of each row of B, the least that a GPU's memory delivers. More would leave fewer workgroups.
  const invocationsN = sizes.transposeB ? 1 : b.dtype === 'f16' ? 4 : 2;
  return matmulDispatch('matmul_skinny', problem, {
    tileM: ROWS,
    tileN: 4 * invocationsN,
    band: MOST_ROWS / ROWS,
    vectorA: true,
    vectorB: true,
    constants: {
      ROWS,
      ROUNDS: ROWS / ROWS_PER_ROUND,
      ROWS_PER_ROUND,
      INVOCATIONS,
      INVOCATIONS_N: invocationsN,
      SUMS_PER_INVOCATION,
    },
  });
}
