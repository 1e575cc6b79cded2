/** The tensor-core matmul: subgroup matrices, WGSL's experimental form of them, with sums in float32. */
import { type Capabilities, matrixSubgroup, type SubgroupMatrixConfig } from '../../capabilities.js';
import type { Dispatch, Operand } from '../../graph/dispatch.js';
import type { Tensor } from '../../graph/tensor.js';
import { type MatmulProblem, type MatmulSizes, matmulDispatch } from './launch.js';

/** How a workgroup divides its tile among its subgroups. */
export interface TensorCoreShape {
  /** Subgroups of a workgroup, down and across its tile. */
  readonly subgroups: readonly [number, number];
  /** Rows and columns of C whose sums one subgroup holds: multiples of the matrices' own. */
  readonly subgroupTile: readonly [number, number];
  /** Depth of a step over k. */
  readonly tileK: 16 | 32 | 64;
  /** Buffers for steps in shared memory: with two there is one barrier a step, and twice the memory. */
  readonly stages: 1 | 2;
}

/** A shape on matrices of one size. */
export interface TensorCoreTile {
  readonly config: SubgroupMatrixConfig;
  readonly shape: TensorCoreShape;
}

const isFloat16 = ({ componentType }: SubgroupMatrixConfig) => componentType === 'f16';
/** Values in a unit of 16 bytes, of which the tiles in shared memory consist. */
const unitOf = (config: SubgroupMatrixConfig) => (isFloat16(config) ? 8 : 4);

/** Rows and columns of C that a workgroup computes. */
export const workgroupTile = ({ subgroups, subgroupTile }: TensorCoreShape): readonly [number, number] => [
  subgroups[0] * subgroupTile[0],
  subgroups[1] * subgroupTile[1],
];

/** Bytes of workgroup memory: the stages of A and B, or the strips of sums that later lie there, with a unit of padding a row. */
function tensorCoreMemory(
  { config, shape }: TensorCoreTile,
  { transposeA, transposeB }: Pick<MatmulSizes, 'transposeA' | 'transposeB'>,
): number {
  const { subgroups, subgroupTile, tileK, stages } = shape;
  const [tileM, tileN] = workgroupTile(shape);
  const unit = unitOf(config);
  const stage = (edge: number, kContiguous: boolean) =>
    (kContiguous ? edge : tileK) * ((kContiguous ? tileK : edge) / unit + 1);
  const strips = subgroups[0] * subgroups[1] * config.M * (subgroupTile[1] / 4 + 1);
  return 16 * Math.max(stages * (stage(tileM, !transposeA) + stage(tileN, transposeB)), strips);
}

/** Whether an adapter has tensor cores for float16 with sums in float32. Their kernels need both operands in float16. */
export const hasFloat16TensorCores = ({ level, f16, software, subgroupMatrix }: Capabilities): boolean =>
  level === 'matrix' &&
  f16 &&
  !software &&
  subgroupMatrix.some((config) => isFloat16(config) && config.resultComponentType === 'f32');

/** Orders by the rows and columns of a matrix of sums, the largest first: fewer loads a multiplication. Ties: the squarer. */
const byReach = (x: SubgroupMatrixConfig, y: SubgroupMatrixConfig) =>
  y.M * y.N - x.M * x.N || y.K - x.K || x.M + x.N - (y.M + y.N);

/**
 * The matrices that a matmul uses, of those that the adapter offers: sums in float32, operands as the matrices take them; undefined
 * if none fit. Where there are several sizes of one type they are alike in speed (docs/decisions.md), so one is used: each costs a
 * pipeline. Float32 operands are rounded to float16 only where the problem allows it.
 */
export function tensorCoreConfig(
  problem: MatmulProblem,
  { level, f16, subgroupMatrix }: Capabilities,
): SubgroupMatrixConfig | undefined {
  if (level !== 'matrix') return undefined;
  const { a, b, rounded, sizes } = problem;
  const { m, n, k, transposeA, transposeB } = sizes;
  const takesFloat16 = f16 && (rounded || (a.dtype === 'f16' && b.dtype === 'f16'));
  return subgroupMatrix
    .filter((config) => config.resultComponentType === 'f32')
    .filter((config) => (isFloat16(config) ? takesFloat16 : config.componentType === 'f32'))
    .filter((config) => {
      const unit = unitOf(config);
      const fits = [config.M, config.N, config.K].every((edge) => edge % unit === 0);
      return fits && (transposeA ? m : k) % unit === 0 && (transposeB ? k : n) % unit === 0;
    })
    .sort((x, y) => Number(isFloat16(y)) - Number(isFloat16(x)) || byReach(x, y))[0];
}

/** Whether the size of the matrices, the size of a subgroup and the workgroup memory allow a tile. */
export function fitsTensorCores(
  tile: TensorCoreTile,
  problem: MatmulProblem,
  capabilities: Capabilities,
): boolean {
  const { config, shape } = tile;
  const { subgroups, subgroupTile, tileK } = shape;
  const { LANES } = matrixSubgroup(capabilities);
  return (
    subgroupTile[0] % config.M === 0 &&
    subgroupTile[1] % config.N === 0 &&
    tileK % config.K === 0 &&
    subgroups[0] * subgroups[1] * LANES <= (capabilities.workgroupInvocations ?? 256) &&
    tensorCoreMemory(tile, problem.sizes) <= capabilities.workgroupMemory
  );
}

/**
 * The launch of matmul_tensor_core.wgsl that computes `problem`, for which `fitsTensorCores` holds.
 *
 * @param capabilities for the size of a subgroup, which is pinned where the adapter has several
 */
export function tensorCoreDispatch(
  problem: MatmulProblem,
  tile: TensorCoreTile,
  capabilities: Capabilities,
): Dispatch {
  const { config, shape } = tile;
  const { subgroups, subgroupTile, tileK, stages } = shape;
  const { a, b, c, sizes, epilogue } = problem;
  const [tileM, tileN] = workgroupTile(shape);
  const subgroup = matrixSubgroup(capabilities);
  const unit = unitOf(config);
  const float16 = isFloat16(config);
  const invocations = subgroups[0] * subgroups[1] * subgroup.LANES;
  const fetches = (edge: number) => Math.ceil((edge * tileK) / unit / invocations);
  const dispatch = matmulDispatch('matmul_tensor_core', problem, {
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
      TILE_K: tileK,
      DOUBLE_BUFFERED: stages === 2,
      RAGGED_K: sizes.k % tileK !== 0,
      K_CONTIGUOUS_A: !sizes.transposeA,
      K_CONTIGUOUS_B: sizes.transposeB,
      MAT_M: config.M,
      MAT_N: config.N,
      MAT_K: config.K,
      FRAGMENTS_M: subgroupTile[0] / config.M,
      FRAGMENTS_N: subgroupTile[1] / config.N,
      FRAGMENTS_K: tileK / config.K,
      ...subgroup,
      UNIT: unit,
      FETCHES_A: fetches(tileM),
      FETCHES_B: fetches(tileN),
      FLOAT16: float16,
      CONVERT_C: float16 && c.dtype === 'f16',
      CONVERT_PREACTIVATION: float16 && epilogue.preactivation?.dtype === 'f16',
      ROUND_A: float16 && a.dtype === 'f32',
      ROUND_B: float16 && b.dtype === 'f32',
    },
  });
  // Operands are read in units of 16 bytes, whatever is in them.
  const inUnits = (tensor: Tensor): Operand => ({
    tensor,
    as: float16 && tensor.dtype === 'f16' ? 'words' : 'vec4',
  });
  return { ...dispatch, reads: { ...dispatch.reads, a: inUnits(a), b: inUnits(b) } };
}

/** The name of a tile's candidate: matrices, subgroups, the tile of each, and the step over k. */
export function tensorCoreName({ config, shape }: TensorCoreTile): string {
  const { componentType, M, N, K } = config;
  const { subgroups, subgroupTile, tileK, stages } = shape;
  const steps = `k by ${tileK}${stages === 2 ? ', two stages' : ''}`;
  return `tensor-core ${componentType} ${M}x${N}x${K}, ${subgroups.join('x')} of ${subgroupTile.join('x')}, ${steps}`;
}
