/**
 * Which tile a matmul gets on a GPU: a rule instead of timing, because every tile that is tried costs a pipeline. A GPU's units take
 * tiles in waves, so a matmul takes as long as the unit with the most tiles.
 *
 * Rates are those of an NVIDIA H200, in TFLOP/s of the whole card as if all units were busy all the time; other GPUs are assumed to
 * have the same ratios between tiles. They were fitted to kernels whose epilogue had memory of its own beside the stage, one workgroup
 * a unit at a time; the model is off by 8 % in the mean (test/engine/kernels/matmul/rules.test.ts). The rates of the smaller tiles
 * show what bounds them: the L2 cache gives the units 4.2 TB/s, at which tiles of 64x64, 64x128 and 128x128 could reach 136, 181
 * and 271.
 */
import type { Capabilities, SubgroupMatrixConfig } from '../../capabilities.js';
import { type MatmulProblem, type MatmulSizes, tilesOf } from './launch.js';
import { SHARED_MEMORY_TILES, type SharedMemoryTile } from './sharedMemoryTiled.js';
import {
  fitsTensorCores,
  type TensorCoreShape,
  type TensorCoreTile,
  tensorCoreConfig,
  workgroupTile,
} from './tensorCore.js';

/** How fast tiles are computed. */
export interface Rate {
  /** TFLOP/s where a unit has two or more workgroups at a time. */
  readonly rate: number;
  /** TFLOP/s of a unit's last tile, if it has no other tile to compute beside it. Default: the same. */
  readonly tailRate?: number;
  /** Steps of k that the prologue and the epilogue of a tile are worth. Default 110. */
  readonly overhead?: number;
}

/** Seconds between the work of one launch and that of the next. */
const LAUNCH = 4e-6;
/** Units of the card that was measured. */
const MEASURED_UNITS = 132;
const TERA = 1e12;

/** Seconds that a matmul should take on `units`, each as fast as one of the measured card. */
export function matmulTime(
  sizes: MatmulSizes,
  [tileM, tileN]: readonly [number, number],
  { rate, tailRate = rate, overhead = 110 }: Rate,
  units: number,
): number {
  const waves = Math.ceil(tilesOf(sizes, tileM, tileN) / units);
  const tail = waves % 2;
  const work = 2 * tileM * tileN * (sizes.k + overhead) * MEASURED_UNITS;
  return ((waves - tail) / rate + tail / tailRate) * (work / TERA) + LAUNCH;
}

/** A tensor-core shape and how fast it is. */
export type RatedShape = TensorCoreShape & Rate;

/**
 * Shapes for matrices with 16 rows (NVIDIA, AMD): a subgroup holds as many sums as its registers allow. The first, third and fourth
 * were measured, with the epilogue's memory beside the stage. The first reached 198; its epilogue now reuses the stage's memory and so
 * lets a second workgroup in, which helped at 4096^3 where sums were stored directly (docs/gpu.md). The other two load too much for a
 * second workgroup to help.
 *
 * Not measured: 128x96, rated between its neighbours, for a width of 768, where tiles of 128 leave 40 % of such a card's units
 * without work; and 256x128, for matmuls so large that the L2 cache bounds tiles of 128. A unit holds one workgroup of it, so nothing
 * hides its prologue and epilogue.
 */
export const LARGE_SHAPES: readonly RatedShape[] = [
  { subgroups: [2, 2], subgroupTile: [64, 64], tileK: 32, stages: 1, rate: 250, tailRate: 198 },
  { subgroups: [2, 2], subgroupTile: [64, 48], tileK: 32, stages: 1, rate: 225, tailRate: 190 },
  { subgroups: [1, 4], subgroupTile: [64, 32], tileK: 64, stages: 1, rate: 181 },
  { subgroups: [2, 2], subgroupTile: [32, 32], tileK: 32, stages: 1, rate: 136 },
  { subgroups: [4, 2], subgroupTile: [64, 64], tileK: 16, stages: 2, rate: 260, overhead: 200 },
];

/**
 * Shapes for matrices with 8 rows (Apple, Intel), whose subgroups have fewer registers. Not measured: the rates say that a subgroup
 * tile with half the rows and columns loads twice as much a multiplication.
 */
const SMALL_SHAPES: readonly RatedShape[] = [
  { subgroups: [2, 2], subgroupTile: [32, 32], tileK: 32, stages: 1, rate: 136 },
  { subgroups: [2, 2], subgroupTile: [16, 16], tileK: 32, stages: 1, rate: 80 },
];

const shapesFor = ({ M }: SubgroupMatrixConfig) => (M >= 16 ? LARGE_SHAPES : SMALL_SHAPES);

/** Of shared-memory tiles with float32 operands. */
export const SHARED_MEMORY_RATES: Readonly<Record<SharedMemoryTile, Rate>> = {
  128: { rate: 36 },
  64: { rate: 33 },
  32: { rate: 29.4 },
};

/** Units of an adapter that the table of adapters (engine/units.ts) was not asked about. */
const SOME_UNITS = 60;

/** `items` in the order of the time that they should take, the least first. */
function fastestFirst<T>(items: readonly T[], time: (item: T) => number): T[] {
  return items
    .map((item) => ({ item, time: time(item) }))
    .sort((x, y) => x.time - y.time)
    .map(({ item }) => item);
}

/** The tensor-core tiles of a matmul that an adapter can run, the one that should take the least time first. */
export function tensorCoreTiles(problem: MatmulProblem, capabilities: Capabilities): TensorCoreTile[] {
  const config = tensorCoreConfig(problem, capabilities);
  if (!config) return [];
  const { units = SOME_UNITS } = capabilities;
  const shapes = shapesFor(config).filter((shape) =>
    fitsTensorCores({ config, shape }, problem, capabilities),
  );
  const time = (shape: RatedShape) => matmulTime(problem.sizes, workgroupTile(shape), shape, units);
  return fastestFirst(shapes, time).map((shape) => ({ config, shape }));
}

/** The shared-memory tiles of a matmul on a GPU, the one that should take the least time first. */
export function sharedMemoryTiles(
  { sizes }: Pick<MatmulProblem, 'sizes'>,
  capabilities: Capabilities,
): SharedMemoryTile[] {
  const { units = SOME_UNITS } = capabilities;
  return fastestFirst(SHARED_MEMORY_TILES, (edge) =>
    matmulTime(sizes, [edge, edge], SHARED_MEMORY_RATES[edge], units),
  );
}
