/** The product for adapters whose subgroups are CPU vectors: values of A move between lanes instead of being loaded again. */
import type { Dispatch } from '../../graph/dispatch.js';
import { type Product, productDispatch, tilesOf } from './launch.js';

/** Rows, and vectors of four columns a lane, of a subgroup's tile. */
export interface BroadcastTile {
  readonly rows: number;
  readonly vectors: number;
  /** Steps of k at once; 4 needs both operands to lie along k. */
  readonly steps: 1 | 4;
}

/** More accumulators a lane take seconds to compile and gain little. */
const SHAPES: readonly (readonly [rows: number, vectors: number])[] = [
  [24, 2],
  [16, 2],
  [32, 1],
  [16, 1],
  [8, 2],
  [8, 1],
  [4, 1],
];

/**
 * Four steps of k at once halve the loads where both operands lie along k, but hold four times the values: worth it with
 * 8 lanes and 16 registers of 8 (lavapipe), with 4 lanes (SwiftShader) only where B is float16, which unpacks from words. More
 * than one vector of columns would be more values than there are registers.
 */
const takesFour = ({ b, sizes: { k, transposeA, transposeB } }: Product, lanes: number) =>
  !transposeA && transposeB && k % 4 === 0 && (lanes >= 8 || b.dtype === 'f16');

/**
 * Whether sums are finished from workgroup memory: with lavapipe always (a layer with a bias takes a tenth less time, a float16
 * product with B row-major a third), with SwiftShader only beside four steps at once (a third less; else a tenth more).
 */
const parks = (lanes: number, four: boolean) => lanes >= 8 || four;

/**
 * Time of a step over k, in multiply-adds of a vector: from the four tiles measured on lavapipe (512 x 768 x 768), where
 * it reproduces all of them within 3 %.
 */
function stepCost({ rows, vectors }: BroadcastTile, lanes: number): number {
  const columns = 4 * vectors;
  return rows * columns + 7 * columns + (9 * rows) / Math.min(lanes, rows) + 3;
}

/** Runs over which a kernel's compilation is spread: a large tile takes longer to compile than a small product ever takes. */
const RUNS = 1000;
/** Milliseconds on two cores (lavapipe): a multiply-add of a vector, and the compilation of an accumulator of one. */
const VECTOR_MS = 0.4e-6;
const COMPILE_MS = { 1: 5, 4: 20 } as const;

/** Tiles that can compute a product, the one that should take the least time on a few cores first. */
export function broadcastTiles(product: Product, lanes: number): BroadcastTile[] {
  const { sizes } = product;
  const steps = takesFour(product, lanes) ? 4 : 1;
  const cost = (tile: BroadcastTile) => {
    const tiles = tilesOf(sizes, tile.rows, 4 * tile.vectors * lanes);
    // A few cores share the tiles; four at a time leave none of them idle for long.
    const run = Math.ceil(tiles / 4) * 4 * sizes.k * stepCost(tile, lanes) * VECTOR_MS;
    return RUNS * run + tile.rows * 4 * tile.vectors * COMPILE_MS[steps];
  };
  return SHAPES.filter(([rows]) => rows <= lanes || rows % lanes === 0)
    .filter(([, vectors]) => steps === 1 || vectors === 1)
    .map(([rows, vectors]): BroadcastTile => ({ rows, vectors, steps }))
    .sort((x, y) => cost(x) - cost(y));
}

export function broadcastDispatch(
  product: Product,
  lanes: number,
  tile: BroadcastTile = broadcastTiles(product, lanes)[0]!,
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
      PARKED: parks(lanes, four),
      ROWS: rowMajor,
    },
  });
}
