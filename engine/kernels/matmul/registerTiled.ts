/** The product in plain WGSL without workgroup memory: for CPU adapters without subgroups, and the one to compare with. */
import type { Dispatch } from '../../graph/dispatch.js';
import { type MatmulSizes, type Product, productDispatch, tilesOf } from './launch.js';

/**
 * Results an invocation: 8 x 8 keeps loads few, but small products need more invocations than that gives.
 * Thresholds are the number of 8 x 8 (4 x 4) tiles below which a two-core software adapter has idle lanes.
 */
function tileSize(sizes: MatmulSizes): number {
  if (tilesOf(sizes, 8, 8) >= 128) return 8;
  return tilesOf(sizes, 4, 4) >= 64 ? 4 : 2;
}

export function registersDispatch(product: Product): Dispatch {
  const { n, k, transposeA, transposeB } = product.sizes;
  const tileM = tileSize(product.sizes);
  const tileN = Math.max(4, tileM);
  const dots = !transposeA && transposeB && k % 4 === 0;
  const rows = !transposeB && n % 4 === 0;
  return productDispatch('matmul', product, {
    tileM: 8 * tileM,
    tileN: 8 * tileN,
    band: 1,
    vectorA: dots,
    vectorB: dots || rows,
    constants: {
      TILE_M: tileM,
      TILE_N: tileN,
      VECTORS_N: tileN / 4,
      DOTS: dots,
      ROWS: rows,
      SCALAR: !dots && !rows,
    },
  });
}
