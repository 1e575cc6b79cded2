/** The product for adapters whose subgroups are CPU vectors: values of A move between lanes instead of being loaded again. */
import type { Dispatch } from '../op.js';
import { type MatmulSizes, type Product, productDispatch, tilesOf } from './product.js';

/** Rows, and vectors of four columns a lane, of a subgroup's tile. */
export interface BroadcastTile {
  readonly rows: number;
  readonly vectors: number;
  /** Steps of k at once; 4 needs both operands to lie along k. */
  readonly steps: 1 | 4;
}

/** More than 128 accumulators a lane take seconds to compile and gain a tenth. */
const SHAPES: readonly (readonly [rows: number, vectors: number])[] = [
  [16, 2],
  [32, 1],
  [16, 1],
  [8, 2],
  [8, 1],
  [4, 1],
];

/**
 * Four steps of k at once halve the loads where both operands lie along k, but hold four times the values: worth it with
 * 8 lanes and 16 registers of 8 (lavapipe), not with 4 (SwiftShader).
 */
const takesFour = ({ k, transposeA, transposeB }: MatmulSizes, lanes: number) =>
  !transposeA && transposeB && k % 4 === 0 && lanes >= 8;

/**
 * Time of a step over k, in multiply-adds of a vector: from the four tiles measured on lavapipe (512 x 768 x 768), where
 * it reproduces all of them within 3 %.
 */
function stepCost({ rows, vectors }: BroadcastTile, lanes: number): number {
  const columns = 4 * vectors;
  return rows * columns + 7 * columns + (9 * rows) / Math.min(lanes, rows) + 3;
}

/** Tiles that can compute a product, the one that should take the least time on a few cores first. */
export function broadcastTiles(sizes: MatmulSizes, lanes: number): BroadcastTile[] {
  const steps = takesFour(sizes, lanes) ? 4 : 1;
  const cost = (tile: BroadcastTile) =>
    Math.ceil(tilesOf(sizes, tile.rows, 4 * tile.vectors * lanes) / 4) * stepCost(tile, lanes);
  return SHAPES.filter(([rows]) => rows <= lanes || rows % lanes === 0)
    .filter(([rows, vectors]) => steps === 1 || rows * vectors <= 16)
    .map(([rows, vectors]): BroadcastTile => ({ rows, vectors, steps }))
    .sort((x, y) => cost(x) - cost(y));
}

export function broadcastDispatch(
  product: Product,
  lanes: number,
  tile: BroadcastTile = broadcastTiles(product.sizes, lanes)[0]!,
): Dispatch {
  const { sizes } = product;
  const { rows, vectors, steps } = tile;
  const four = steps === 4;
  const rowMajor = !sizes.transposeB && sizes.n % 4 === 0;
  const held = Math.min(lanes, rows);
  return productDispatch('matmul_broadcast', product, {
    tileM: rows,
    tileN: 4 * vectors * lanes,
    band: 8,
    vectorA: four,
    vectorB: four || rowMajor,
    constants: {
      LANES: lanes,
      TILE_M: rows,
      SLICES: rows / held,
      HELD: held,
      VECTORS: vectors,
      FOUR: four,
      ROWS: rowMajor,
    },
  });
}
