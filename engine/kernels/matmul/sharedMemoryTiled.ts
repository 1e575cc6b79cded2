/** The product for GPUs in plain WGSL: tiles in workgroup memory. */
import type { Dispatch } from '../../graph/dispatch.js';
import { type MatmulSizes, type Product, productDispatch, tilesOf } from './launch.js';

/** Edge of a workgroup's tile: 128 (256 invocations of 8 x 8), 64 (64 of 8 x 8) or 32 (64 of 4 x 4). */
export type StagedTile = 128 | 64 | 32;
export const STAGED_TILES: readonly StagedTile[] = [128, 64, 32];
/** Depth of a step over k. */
const STEP = 16;

/** For a tuner on a CPU adapter: the largest tile that gives some 64 workgroups. GPUs have a rule of their own (rules.ts). */
export const stagedTile = (sizes: MatmulSizes): StagedTile =>
  STAGED_TILES.find((tile) => tilesOf(sizes, tile, tile) >= 64) ?? 32;

export function stagedDispatch(product: Product, tile: StagedTile): Dispatch {
  const { m, n, k, transposeA, transposeB } = product.sizes;
  const quads = tile === 32 ? 1 : 2;
  const invocations = (tile / 4 / quads) ** 2;
  const vectorA = (transposeA ? m : k) % 4 === 0;
  const vectorB = (transposeB ? k : n) % 4 === 0;
  return productDispatch('matmul_staged', product, {
    tileM: tile,
    tileN: tile,
    band: 8,
    vectorA,
    vectorB,
    constants: {
      TILE: tile,
      QUADS_A: quads,
      QUADS_B: quads,
      INVOCATIONS: invocations,
      BLOCKS: (2 * tile) / invocations,
      STEP,
      RAGGED_K: k % STEP !== 0,
      VECTOR_A: vectorA,
      VECTOR_B: vectorB,
    },
  });
}
