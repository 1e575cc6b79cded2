/**
 * Which tile a product gets on a GPU: a rule in place of timing, as every tile that is tried costs a pipeline. A GPU's units take
 * tiles in turn, so a product takes as long as the unit with the most tiles.
 *
 * Rates are those of an NVIDIA H200, in TFLOP/s of the whole card as if all units were busy all the time; other GPUs are assumed to
 * have the same ratios between tiles. Fitted to the times of kernels with strips of sums beside the stage, one workgroup a unit
 * at a time, the model is off by 8 % in the mean (test/engine/kernels/matmul/rules.test.ts). Their rates also say what bounds the smaller
 * tiles: the L2 cache gives the units 4.2 TB/s, at which tiles of 64x64, 64x128 and 128x128 could reach 136, 181 and 271.
 */
import type { Capabilities, SubgroupMatrixConfig } from '../../capabilities.js';
import { type MatmulSizes, type Product, tilesOf } from './launch.js';
import { STAGED_TILES, type StagedTile } from './sharedMemoryTiled.js';
import { fitsMatrix, type MatrixShape, type MatrixTile, matrixConfig, matrixEdges } from './tensorCore.js';

/** How fast tiles are computed. */
export interface Rate {
  /** Where a unit has two or more workgroups at a time. */
  readonly rate: number;
  /** Of the last tile of a unit, if nothing else is left to be done beside it. Default: the same. */
  readonly alone?: number;
  /** Steps of k that entering and finishing a tile are worth. Default 110. */
  readonly overhead?: number;
}

/** Seconds between the work of one launch and that of the next. */
const LAUNCH = 4e-6;
/** Of the card that was measured. */
const MEASURED_UNITS = 132;
const TERA = 1e12;

/** Seconds that a product should take on so many units, each as fast as one of the card that was measured. */
export function productTime(
  sizes: MatmulSizes,
  [tileM, tileN]: readonly [number, number],
  { rate, alone = rate, overhead = 110 }: Rate,
  units: number,
): number {
  const turns = Math.ceil(tilesOf(sizes, tileM, tileN) / units);
  const last = turns % 2;
  const work = 2 * tileM * tileN * (sizes.k + overhead) * MEASURED_UNITS;
  return ((turns - last) / rate + last / alone) * (work / TERA) + LAUNCH;
}

export type RatedShape = MatrixShape & Rate;

/**
 * Shapes for matrices with 16 rows (NVIDIA, AMD): a subgroup holds as many sums as its registers allow. Measured are, with strips beside
 * the stage, the first (198; its strips now lie in the stage, which lets a second workgroup in, and with sums stored directly that gave
 * 247 at 4096^3), the third and the fourth, which load too much for a second one to help.
 *
 * Not measured: a tile of 128x96, whose rates are between those of its neighbours, for a width of 768, where tiles of 128
 * leave 40 % of the units of such a card without work; and 256x128, for products so large that the L2 cache bounds tiles of 128.
 * There is one workgroup of it a unit, so what it does before and after its steps is hidden by nothing.
 */
export const LARGE_SHAPES: readonly RatedShape[] = [
  { subgroups: [2, 2], part: [64, 64], step: 32, stages: 1, rate: 250, alone: 198 },
  { subgroups: [2, 2], part: [64, 48], step: 32, stages: 1, rate: 225, alone: 190 },
  { subgroups: [1, 4], part: [64, 32], step: 64, stages: 1, rate: 181 },
  { subgroups: [2, 2], part: [32, 32], step: 32, stages: 1, rate: 136 },
  { subgroups: [4, 2], part: [64, 64], step: 16, stages: 2, rate: 260, overhead: 200 },
];

/**
 * For matrices with 8 rows (Apple, Intel), whose subgroups have fewer registers. Not measured: the rates say that a part with
 * half the rows and columns loads twice as much for a multiplication.
 */
export const SMALL_SHAPES: readonly RatedShape[] = [
  { subgroups: [2, 2], part: [32, 32], step: 32, stages: 1, rate: 136 },
  { subgroups: [2, 2], part: [16, 16], step: 32, stages: 1, rate: 80 },
];

const shapesFor = ({ M }: SubgroupMatrixConfig) => (M >= 16 ? LARGE_SHAPES : SMALL_SHAPES);

/** Of float32 operands. */
export const STAGED_RATES: Readonly<Record<StagedTile, Rate>> = {
  128: { rate: 36 },
  64: { rate: 33 },
  32: { rate: 29.4 },
};

/** Units of an adapter whose name was not looked up, such as one that is only described. */
const SOME_UNITS = 60;

/** `items` in the order of the time that they should take, the least first. */
function fastestFirst<T>(items: readonly T[], time: (item: T) => number): T[] {
  return items
    .map((item) => ({ item, time: time(item) }))
    .sort((x, y) => x.time - y.time)
    .map(({ item }) => item);
}

/** The tiles of a product on subgroup matrices that an adapter can run, the one that should take the least time first. */
export function matrixTiles(product: Product, capabilities: Capabilities): MatrixTile[] {
  const config = matrixConfig(product, capabilities);
  if (!config) return [];
  const { units = SOME_UNITS } = capabilities;
  const shapes = shapesFor(config).filter((shape) => fitsMatrix({ config, shape }, product, capabilities));
  const time = (shape: RatedShape) => productTime(product.sizes, matrixEdges(shape), shape, units);
  return fastestFirst(shapes, time).map((shape) => ({ config, shape }));
}

/** The tiles of a product in plain WGSL on a GPU, the one that should take the least time first. */
export function stagedTiles({ sizes }: Pick<Product, 'sizes'>, capabilities: Capabilities): StagedTile[] {
  const { units = SOME_UNITS } = capabilities;
  return fastestFirst(STAGED_TILES, (edge) => productTime(sizes, [edge, edge], STAGED_RATES[edge], units));
}
