/**
 * Which tile a product gets on a GPU: a rule in place of timing, as every tile that is tried costs a pipeline. A GPU's units take
 * tiles in turn, so a product takes as long as the unit with the most tiles, at the rate at which a unit computes that tile.
 *
 * The rates are those of an NVIDIA H200, in TFLOP/s of the whole card as if all units were busy all the time. With them the time of
 * six matrix shapes at four products is found within 25 %, of three staged tiles at three products within 20 %, and the choice
 * among the shapes below is within 10 % of the best one measured (test/engine/product/rules.test.ts). Other GPUs are assumed
 * to have the same ratios between tiles. How many workgroups a unit holds at a time made no difference to the fit.
 */
import type { SubgroupMatrixConfig } from '../adapter.js';
import type { Capabilities } from '../gpu.js';
import { fitsMatrix, type MatrixShape, type MatrixTile, matrixConfig, matrixEdges } from './matrix.js';
import { type MatmulSizes, type Product, tilesOf } from './product.js';
import { STAGED_TILES, type StagedTile } from './staged.js';

/** A way to compute tiles of a product. */
interface Rated {
  readonly tile: readonly [number, number];
  readonly rate: number;
}

/** Steps of k that entering and finishing a tile are worth. */
const TILE_OVERHEAD = 110;
/** Seconds between the work of one launch and that of the next. */
const LAUNCH = 4e-6;
/** Of the card that was measured. */
const MEASURED_UNITS = 132;
const TERA = 1e12;

/** Seconds that a product should take in tiles of a kind on so many units, each as fast as one of the card that was measured. */
export function productTime(
  sizes: MatmulSizes,
  { tile: [tileM, tileN], rate }: Rated,
  units: number,
): number {
  const turns = Math.ceil(tilesOf(sizes, tileM, tileN) / units);
  const work = 2 * tileM * tileN * (sizes.k + TILE_OVERHEAD);
  return (turns * work * MEASURED_UNITS) / (rate * TERA) + LAUNCH;
}

export interface RatedShape extends MatrixShape {
  readonly rate: number;
}

/**
 * Shapes for matrices with 16 rows (NVIDIA, AMD): a subgroup holds as many sums as its registers allow. The first one reached 247
 * TFLOP/s at 4096^3 where its sums were stored without strips of their own, and 166 with them; so the rates, which are all from kernels
 * with such strips, are lower than those of the kernels here.
 */
export const LARGE_SHAPES: readonly RatedShape[] = [
  { subgroups: [2, 2], part: [64, 64], step: 32, stages: 1, rate: 198 },
  { subgroups: [1, 4], part: [64, 32], step: 64, stages: 1, rate: 181 },
  { subgroups: [2, 2], part: [32, 32], step: 32, stages: 1, rate: 136 },
];

/** For matrices with 8 rows (Apple, Intel), whose subgroups have fewer registers. Not measured: the second is assumed to be as slow as that. */
export const SMALL_SHAPES: readonly RatedShape[] = [
  { subgroups: [2, 2], part: [32, 32], step: 32, stages: 1, rate: 136 },
  { subgroups: [2, 2], part: [16, 16], step: 32, stages: 1, rate: 80 },
];

export const shapesFor = ({ M }: SubgroupMatrixConfig): readonly RatedShape[] =>
  M >= 16 ? LARGE_SHAPES : SMALL_SHAPES;

/** Of float32 operands. */
export const STAGED_RATES: Readonly<Record<StagedTile, number>> = { 128: 36, 64: 33, 32: 29.4 };

/** Units of an adapter whose name was not looked up, such as one that is only described. */
const SOME_UNITS = 60;
const unitsOf = ({ units = SOME_UNITS }: Capabilities) => units;

/** The tiles of a product on subgroup matrices that an adapter can run, the one that should take the least time first. */
export function matrixTiles(product: Product, capabilities: Capabilities): MatrixTile[] {
  const config = matrixConfig(product, capabilities);
  if (!config) return [];
  return shapesFor(config)
    .filter((shape) => fitsMatrix({ config, shape }, product, capabilities))
    .map((shape) => ({
      tile: { config, shape },
      time: productTime(product.sizes, { tile: matrixEdges(shape), rate: shape.rate }, unitsOf(capabilities)),
    }))
    .sort((x, y) => x.time - y.time)
    .map(({ tile }) => tile);
}

/** The tiles of a product in plain WGSL on a GPU, the one that should take the least time first. */
export function stagedTiles({ sizes }: Pick<Product, 'sizes'>, capabilities: Capabilities): StagedTile[] {
  const time = (edge: StagedTile) =>
    productTime(sizes, { tile: [edge, edge], rate: STAGED_RATES[edge] }, unitsOf(capabilities));
  return [...STAGED_TILES].sort((x, y) => time(x) - time(y));
}
