/** The product on subgroup matrices; experimental until a tuner has seen it agree on the adapter. */
import type { SubgroupMatrixConfig } from '../adapter.js';
import { type Capabilities, matrixSubgroup } from '../gpu.js';
import type { Dispatch } from '../op.js';
import { type Product, productDispatch } from './product.js';

export interface MatrixTile {
  readonly config: SubgroupMatrixConfig;
  /** Matrices of sums that a subgroup holds in each direction: 4, or 2 for small products. */
  readonly fragments: 4 | 2;
}

/** Depth of a step over k. */
const STEP = 32;
const isHalf = ({ componentType }: SubgroupMatrixConfig) => componentType === 'f16';

/** Edges of a workgroup's tile: two by two subgroups. */
const edges = ({ config: { M, N }, fragments }: MatrixTile) =>
  [2 * fragments * M, 2 * fragments * N] as const;

/** Bytes of workgroup memory: the stages of A and B with a unit of padding a row, and the strips of sums. */
export function matrixMemory(tile: MatrixTile, { transposeA, transposeB }: Product['sizes']): number {
  const [tileM, tileN] = edges(tile);
  const unit = isHalf(tile.config) ? 8 : 4;
  const stage = (edge: number, alongK: boolean) =>
    (alongK ? edge : STEP) * ((alongK ? STEP : edge) / unit + 1);
  const strips = 4 * tile.config.M * tile.fragments * tile.config.N * 4;
  return 16 * (stage(tileM, !transposeA) + stage(tileN, transposeB)) + strips;
}

/** Whether an adapter has tensor cores for float16 with sums in float32. Kernels on them need both operands in float16. */
export const multipliesHalves = ({ level, f16, software, subgroupMatrix }: Capabilities): boolean =>
  level === 'matrix' &&
  f16 &&
  !software &&
  subgroupMatrix.some((config) => isHalf(config) && config.resultComponentType === 'f32');

/**
 * The tiles that can compute a product: sums in float32, and operands as the matrices take them. Float32 operands are never
 * rounded to float16 on the way.
 */
export function matrixTiles(product: Product, capabilities: Capabilities): MatrixTile[] {
  const { a, b, sizes } = product;
  const { m, n, k, transposeA, transposeB } = sizes;
  const halves = a.dtype === 'f16' && b.dtype === 'f16';
  return capabilities.subgroupMatrix
    .filter((config) => config.resultComponentType === 'f32' && STEP % config.K === 0)
    .filter((config) => (isHalf(config) ? halves && capabilities.f16 : config.componentType === 'f32'))
    .filter((config) => {
      const unit = isHalf(config) ? 8 : 4;
      const fits = [config.M, config.N, config.K].every((edge) => edge % unit === 0);
      return fits && (transposeA ? m : k) % unit === 0 && (transposeB ? k : n) % unit === 0;
    })
    .flatMap((config) => ([4, 2] as const).map((fragments) => ({ config, fragments })))
    .filter((tile) => matrixMemory(tile, sizes) <= capabilities.workgroupMemory);
}

/** @param capabilities for the subgroup's size; it is pinned where the adapter has several */
export function matrixDispatch(product: Product, tile: MatrixTile, capabilities: Capabilities): Dispatch {
  const { config, fragments } = tile;
  const [tileM, tileN] = edges(tile);
  const subgroup = matrixSubgroup(capabilities);
  const unit = isHalf(config) ? 8 : 4;
  const fetches = (edge: number) => Math.ceil((edge * STEP) / unit / (4 * subgroup.LANES));
  return productDispatch('matmul_matrix', product, {
    tileM,
    tileN,
    band: 8,
    vectorA: true,
    vectorB: true,
    constants: {
      TILE_M: tileM,
      TILE_N: tileN,
      STEP,
      MAT_M: config.M,
      MAT_N: config.N,
      MAT_K: config.K,
      FRAGMENTS_M: fragments,
      FRAGMENTS_N: fragments,
      MULTIPLICATIONS: STEP / config.K,
      ...subgroup,
      UNIT: unit,
      FETCHES_A: fetches(tileM),
      FETCHES_B: fetches(tileN),
      HALF: isHalf(config),
    },
  });
}

export const matrixName = ({ config: { componentType, M, N, K }, fragments }: MatrixTile): string =>
  `matrix ${componentType} ${M}x${N}x${K}, ${fragments} a side`;
