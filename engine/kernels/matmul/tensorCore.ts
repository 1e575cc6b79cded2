/** The product on subgroup matrices (tensor cores). */
import type { SubgroupMatrixConfig } from '../../capabilities.js';
import { type Capabilities, matrixSubgroup } from '../../capabilities.js';
import type { Dispatch, Operand } from '../../graph/dispatch.js';
import type { Tensor } from '../../graph/tensor.js';
import { type Product, productDispatch } from './launch.js';

/** How a workgroup on subgroup matrices divides its work. */
export interface MatrixShape {
  /** Subgroups of a workgroup, down and across its tile. */
  readonly subgroups: readonly [number, number];
  /** Rows and columns of the sums that a subgroup holds: multiples of the matrices' own. */
  readonly part: readonly [number, number];
  /** Depth of a step over k. */
  readonly step: 16 | 32 | 64;
  /** Stages in turn: with two there is one barrier a step, and twice the memory. */
  readonly stages: 1 | 2;
}

export interface MatrixTile {
  readonly config: SubgroupMatrixConfig;
  readonly shape: MatrixShape;
}

const isHalf = ({ componentType }: SubgroupMatrixConfig) => componentType === 'f16';
/** Values in 16 bytes, which the stage is made of. */
const unitOf = (config: SubgroupMatrixConfig) => (isHalf(config) ? 8 : 4);

/** Rows and columns of a workgroup's tile. */
export const matrixEdges = ({ subgroups, part }: MatrixShape): readonly [number, number] => [
  subgroups[0] * part[0],
  subgroups[1] * part[1],
];

/** Bytes of workgroup memory: the stages of A and B, or the strips of sums that later lie there, with a unit of padding a row. */
export function matrixMemory(
  { config, shape }: MatrixTile,
  { transposeA, transposeB }: Pick<Product['sizes'], 'transposeA' | 'transposeB'>,
): number {
  const { subgroups, part, step, stages } = shape;
  const [tileM, tileN] = matrixEdges(shape);
  const unit = unitOf(config);
  const stage = (edge: number, alongK: boolean) =>
    (alongK ? edge : step) * ((alongK ? step : edge) / unit + 1);
  const strips = subgroups[0] * subgroups[1] * config.M * (part[1] / 4 + 1);
  return 16 * Math.max(stages * (stage(tileM, !transposeA) + stage(tileN, transposeB)), strips);
}

/** Whether an adapter has tensor cores for float16 with sums in float32. Kernels on them need both operands in float16. */
export const multipliesHalves = ({ level, f16, software, subgroupMatrix }: Capabilities): boolean =>
  level === 'matrix' &&
  f16 &&
  !software &&
  subgroupMatrix.some((config) => isHalf(config) && config.resultComponentType === 'f32');

/** How many rows and columns a matrix of sums has, the largest first: fewer loads a multiplication. Ties: the squarer. */
const byReach = (x: SubgroupMatrixConfig, y: SubgroupMatrixConfig) =>
  y.M * y.N - x.M * x.N || y.K - x.K || x.M + x.N - (y.M + y.N);

/**
 * The matrices that a product uses, of those that the adapter names: sums in float32, operands as the matrices take them. Sizes
 * of one kind are alike in speed where there are several (docs/decisions.md), so one is offered: each costs a pipeline.
 * Float32 operands are rounded to float16 on the way only where the product says that they may be.
 */
export function matrixConfig(
  product: Product,
  { level, f16, subgroupMatrix }: Capabilities,
): SubgroupMatrixConfig | undefined {
  if (level !== 'matrix') return undefined;
  const { a, b, rounded, sizes } = product;
  const { m, n, k, transposeA, transposeB } = sizes;
  const halves = f16 && (rounded || (a.dtype === 'f16' && b.dtype === 'f16'));
  return subgroupMatrix
    .filter((config) => config.resultComponentType === 'f32')
    .filter((config) => (isHalf(config) ? halves : config.componentType === 'f32'))
    .filter((config) => {
      const unit = unitOf(config);
      const fits = [config.M, config.N, config.K].every((edge) => edge % unit === 0);
      return fits && (transposeA ? m : k) % unit === 0 && (transposeB ? k : n) % unit === 0;
    })
    .sort((x, y) => Number(isHalf(y)) - Number(isHalf(x)) || byReach(x, y))[0];
}

/** Whether matrices of that size, the subgroups that there are and the workgroup memory allow a shape. */
export function fitsMatrix(tile: MatrixTile, product: Product, capabilities: Capabilities): boolean {
  const { config, shape } = tile;
  const { subgroups, part, step } = shape;
  const { LANES } = matrixSubgroup(capabilities);
  return (
    part[0] % config.M === 0 &&
    part[1] % config.N === 0 &&
    step % config.K === 0 &&
    subgroups[0] * subgroups[1] * LANES <= (capabilities.workgroupInvocations ?? 256) &&
    matrixMemory(tile, product.sizes) <= capabilities.workgroupMemory
  );
}

/** @param capabilities for the subgroup's size; it is pinned where the adapter has several */
export function matrixDispatch(product: Product, tile: MatrixTile, capabilities: Capabilities): Dispatch {
  const { config, shape } = tile;
  const { subgroups, part, step, stages } = shape;
  const { a, b, c, sizes, epilogue } = product;
  const [tileM, tileN] = matrixEdges(shape);
  const subgroup = matrixSubgroup(capabilities);
  const unit = unitOf(config);
  const invocations = subgroups[0] * subgroups[1] * subgroup.LANES;
  const fetches = (edge: number) => Math.ceil((edge * step) / unit / invocations);
  const dispatch = productDispatch('matmul_matrix', product, {
    tileM,
    tileN,
    band: 8,
    vectorA: true,
    vectorB: true,
    constants: {
      TILE_M: tileM,
      TILE_N: tileN,
      SUBGROUPS_M: subgroups[0],
      SUBGROUPS_N: subgroups[1],
      STEP: step,
      TWO_STAGES: stages === 2,
      RAGGED_K: sizes.k % step !== 0,
      ALONG_K_A: !sizes.transposeA,
      ALONG_K_B: sizes.transposeB,
      MAT_M: config.M,
      MAT_N: config.N,
      MAT_K: config.K,
      FRAGMENTS_M: part[0] / config.M,
      FRAGMENTS_N: part[1] / config.N,
      MULTIPLICATIONS: step / config.K,
      ...subgroup,
      UNIT: unit,
      FETCHES_A: fetches(tileM),
      FETCHES_B: fetches(tileN),
      HALF: isHalf(config),
      CONVERT_C: isHalf(config) && c.dtype === 'f16',
      CONVERT_PRE: isHalf(config) && epilogue.pre?.dtype === 'f16',
      ROUND_A: isHalf(config) && a.dtype === 'f32',
      ROUND_B: isHalf(config) && b.dtype === 'f32',
    },
  });
  // The stage's units: 16 bytes, whatever is in them.
  const unitsOf = (tensor: Tensor): Operand => ({
    tensor,
    as: isHalf(config) && tensor.dtype === 'f16' ? 'words' : 'vec4',
  });
  return { ...dispatch, reads: { ...dispatch.reads, a: unitsOf(a), b: unitsOf(b) } };
}

export function matrixName({ config, shape }: MatrixTile): string {
  const { componentType, M, N, K } = config;
  const { subgroups, part, step, stages } = shape;
  const steps = `k by ${step}${stages === 2 ? ', two stages' : ''}`;
  return `matrix ${componentType} ${M}x${N}x${K}, ${subgroups.join('x')} of ${part.join('x')}, ${steps}`;
}
