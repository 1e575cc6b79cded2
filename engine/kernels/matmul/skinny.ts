/** The product of a few rows (a skinny product) for GPUs, as fast as B can be read. */
import type { Dispatch } from '../../graph/dispatch.js';
import { type Product, productDispatch } from './launch.js';

/** Rows that a workgroup computes, and the most that it is worth it for: then B is read twice, the second time from the cache. */
const ROWS = 8;
const MOST_ROWS = 2 * ROWS;
/** Invocations that share k. */
const LANES = 256;
/** Rows whose sums are in workgroup memory at once: 16 KiB. */
const HELD = 4;
/** Sums that an invocation adds first; the square root of LANES. */
const TERMS = 16;
/** Depth below which most invocations would have nothing to multiply. */
const LEAST_DEPTH = 64;

/** Whether a product has few rows, and A and B can be read in vectors along their last axes. */
export const hasFewRows = ({ sizes: { m, n, k, transposeA, transposeB } }: Product): boolean =>
  m <= MOST_ROWS && k >= LEAST_DEPTH && k % 4 === 0 && !transposeA && (transposeB || n % 4 === 0);

export function rowsDispatch(product: Product): Dispatch {
  const { b, sizes } = product;
  // Where n is contiguous, 32 bytes of each row of B: what a GPU's memory gives at the least. More would be fewer workgroups.
  const across = sizes.transposeB ? 1 : b.dtype === 'f16' ? 4 : 2;
  return productDispatch('matmul_rows', product, {
    tileM: ROWS,
    tileN: 4 * across,
    band: MOST_ROWS / ROWS,
    vectorA: true,
    vectorB: true,
    constants: { ROWS, ROUNDS: ROWS / HELD, HELD, LANES, ACROSS: across, TERMS },
  });
}
