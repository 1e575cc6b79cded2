/** The product of a few rows (a skinny product) for GPUs, as fast as B can be read. */
import type { Dispatch } from '../op.js';
import { type Product, productDispatch } from './product.js';

/** Invocations that share k. */
const LANES = 256;
/** Rows whose sums are in workgroup memory at once: 16 KiB. */
const HELD = 4;
/** Sums that an invocation adds first; the square root of LANES. */
const TERMS = 16;
/** Depth below which most invocations would have nothing to multiply. */
const LEAST_DEPTH = 64;

/** Rows that a workgroup computes: a kernel each, so there are two. */
export type RowCount = 8 | 16;

/**
 * The rows of the kernel that can compute a product; undefined where there are more of them than are worth it, or where A or
 * B cannot be read in vectors along their last axes.
 */
export function rowCount({ sizes: { m, n, k, transposeA, transposeB } }: Product): RowCount | undefined {
  if (m > 16 || k < LEAST_DEPTH || k % 4 !== 0) return undefined;
  if (transposeA || (!transposeB && n % 4 !== 0)) return undefined;
  return m > 8 ? 16 : 8;
}

export function rowsDispatch(product: Product, rows: RowCount): Dispatch {
  const { b, sizes } = product;
  // Where n is contiguous, 32 bytes of each row of B: what a GPU's memory gives at the least. More would be fewer workgroups.
  const across = sizes.transposeB ? 1 : b.dtype === 'f16' ? 4 : 2;
  return productDispatch('matmul_rows', product, {
    tileM: rows,
    tileN: 4 * across,
    band: 1,
    vectorA: true,
    vectorB: true,
    constants: { ROWS: rows, ROUNDS: rows / HELD, HELD, LANES, ACROSS: across, TERMS },
  });
}
