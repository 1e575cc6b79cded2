/** The part of an adapter's description that decides which kernels run. */

/** What a kernel may use: plain WGSL, subgroup built-ins, or subgroup matrices (tensor cores). */
export type Level = 'portable' | 'subgroups' | 'matrix';
/** Each level includes the ones before it. */
export const LEVELS: readonly Level[] = ['portable', 'subgroups', 'matrix'];

/** A matrix size that an adapter's tensor cores multiply: `[M, K]` by `[K, N]`. */
export interface SubgroupMatrixConfig {
  /** Type of the operands, `f32`, `f16`, ... */
  readonly componentType: string;
  /** Type of the sums. */
  readonly resultComponentType: string;
  readonly M: number;
  readonly N: number;
  readonly K: number;
}

/** What an adapter offers to kernels. */
export interface Capabilities {
  readonly f16: boolean;
  readonly subgroups: boolean;
  /** Smallest and largest number of invocations in a subgroup. */
  readonly subgroupSize?: readonly [number, number];
  readonly subgroupMatrix: readonly SubgroupMatrixConfig[];
  /** There are subgroups, but no built-in values that number those of a workgroup: Chrome before version 144. */
  readonly unnumberedSubgroups?: boolean;
  /** Whether a kernel can request one of several subgroup sizes. */
  readonly subgroupSizeControl?: boolean;
  /** Bytes of workgroup memory that a kernel may have. */
  readonly workgroupMemory: number;
  /** Invocations that a workgroup may have; without it, the 256 that every adapter allows. */
  readonly workgroupInvocations?: number;
  /** Compute units, as far as the adapter's name tells (units.ts). */
  readonly units?: number;
  readonly timestamps: boolean;
  /** The adapter runs on the CPU, where a barrier costs more than many loads and memory accesses are not coalesced. */
  readonly software: boolean;
  readonly level: Level;
}

/** The subgroup size for kernels on subgroup matrices, and whether they must request it because the adapter has several. */
export function matrixSubgroup({ subgroupSize, subgroupSizeControl }: Capabilities): {
  readonly LANES: number;
  readonly PINNED: boolean;
} {
  const [smallest, largest] = subgroupSize ?? [32, 32];
  return { LANES: largest, PINNED: smallest !== largest && subgroupSizeControl === true };
}

/** What every WebGPU adapter can do, for schedules without a device: no float16, no subgroups, no tensor cores. */
export const PORTABLE: Capabilities = {
  f16: false,
  subgroups: false,
  subgroupMatrix: [],
  workgroupMemory: 32768,
  timestamps: false,
  software: false,
  level: 'portable',
};
