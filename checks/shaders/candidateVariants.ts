/** Every kernel that matmul and attention may get, of every level and layout, for checks that compile without running. */
import {
  type Capabilities,
  type Level,
  PORTABLE,
  type SubgroupMatrixConfig,
} from '../../engine/capabilities.js';
import { type DType, input } from '../../engine/graph/tensor.js';
import { attentionCandidates } from '../../engine/kernels/attention/candidates.js';
import type { AttentionLaunch } from '../../engine/kernels/attention/launch.js';
import { type KernelSource, kernelSource } from '../../engine/kernels/kernelSource.js';
import { matmulCandidates } from '../../engine/kernels/matmul/candidates.js';
import type { Epilogue } from '../../engine/kernels/matmul/launch.js';

/** What Metal (both kinds), Intel, NVIDIA and AMD offer, with sums in float32; one at a time, as one of several is used. */
const MATRICES: readonly SubgroupMatrixConfig[] = (
  [
    ['f32', 8, 8, 8],
    ['f16', 8, 8, 8],
    ['f16', 8, 16, 16],
    ['f16', 16, 16, 16],
    ['f16', 16, 8, 16],
    ['f16', 16, 8, 8],
  ] as const
).map(([componentType, M, N, K]) => ({ componentType, resultComponentType: 'f32', M, N, K }));

const ONE_SIZE: Partial<Capabilities> = { subgroupSize: [32, 32] };
const SEVERAL_SIZES: Partial<Capabilities> = { subgroupSize: [8, 64], subgroupSizeControl: true };

/** Adapters that differ in which kernels they are offered. */
const ADAPTERS: readonly Partial<Capabilities>[] = [
  { level: 'portable' },
  { level: 'portable', software: true },
  { level: 'subgroups', software: true, subgroupSize: [8, 8] },
  { level: 'subgroups', software: true, subgroupSize: [4, 4] },
  ...MATRICES.map((config, i) => ({
    ...(i % 2 === 0 ? ONE_SIZE : SEVERAL_SIZES),
    ...{ level: 'matrix' as const, subgroupMatrix: [config], f16: true, workgroupMemory: 49152 },
  })),
];

/** The kernels of matmul and attention that adapters of a level are offered. */
export const candidateVariants = (level: Level): KernelSource[] =>
  ADAPTERS.filter((changed) => changed.level === level).flatMap((adapter) =>
    candidatesOf({ ...PORTABLE, ...adapter }),
  );

/** The kernels of matmul and attention that an adapter is offered. */
export const candidatesOf = (capabilities: Capabilities): KernelSource[] => [
  ...matmulVariants(capabilities),
  ...attentionVariants(capabilities),
];

/** At sizes that every vector and tile divides, and at sizes that none does. */
function matmulVariants(capabilities: Capabilities): KernelSource[] {
  const sources: KernelSource[] = [];
  for (const transposeA of [false, true])
    for (const transposeB of [false, true])
      for (const [m, n, k, dtype, weights] of [
        [136, 200, 72, 'f32', 'f32'],
        [136, 200, 64, 'f16', 'f16'],
        // What a float16 step multiplies where there are no tensor cores, and a gradient of the residual stream where there are.
        [136, 200, 64, 'f32', 'f16'],
        [33, 35, 37, 'f32', 'f32'],
        // Few rows.
        [8, 200, 72, 'f32', 'f32'],
        [8, 200, 64, 'f16', 'f16'],
        [8, 200, 64, 'f32', 'f16'],
      ] as const)
        for (const epilogue of epilogues(m, n, dtype)) {
          const a = input(transposeA ? [2, k, m] : [2, m, k], 'a', dtype);
          const b = input(transposeB ? [2, n, k] : [2, k, n], 'b', weights);
          const c = input([2, m, n], 'c', dtype);
          const sizes = { batch: 2, m, n, k, transposeA, transposeB };
          const problem = { a, b, c, sizes, epilogue, rounded: weights !== dtype };
          for (const candidate of matmulCandidates(problem, capabilities))
            sources.push(kernelSource(candidate.dispatch(problem), capabilities));
        }
  return sources;
}

/** Forward with and without what a gradient needs, and both parts of the backward pass. */
function attentionVariants(capabilities: Capabilities): KernelSource[] {
  const [batch, tokens, heads] = [2, 197, 2];
  const sources: KernelSource[] = [];
  for (const dtype of ['f32', 'f16'] as const)
    for (const causal of [false, true]) {
      const qkv = input([batch, tokens, 192 * heads], 'qkv', dtype);
      const d_qkv = input(qkv.shape, 'd_qkv', dtype);
      const o = input([batch, tokens, 64 * heads], 'o', dtype);
      const d_o = input(o.shape, 'd_o', dtype);
      const lse = input([batch, heads, tokens], 'lse');
      const delta = input(lse.shape, 'delta');
      const launches: Pick<AttentionLaunch, 'entry' | 'reads' | 'writes'>[] = [
        { entry: 'forward', reads: { qkv }, writes: { o } },
        { entry: 'forward', reads: { qkv }, writes: { o, lse } },
        { entry: 'backward_dq', reads: { qkv, o, lse, d_o }, writes: { d_qkv, delta } },
        { entry: 'backward_dkv', reads: { qkv, lse, d_o, delta }, writes: { d_qkv } },
      ];
      for (const each of launches) {
        const launch = { heads, causal, ...each };
        for (const candidate of attentionCandidates(launch, capabilities))
          sources.push(kernelSource(candidate.dispatch(launch), capabilities));
      }
    }
  return sources;
}

function epilogues(m: number, n: number, dtype: DType): Epilogue[] {
  const like = (name: string) => input([2, m, n], name, dtype);
  return [
    {},
    {
      bias: input([n], 'bias'),
      activation: 'quickGelu',
      preactivation: like('preactivation'),
      residual: input([2, m, n], 'residual'),
    },
    { activationGradient: { preactivation: like('saved_preactivation'), activation: 'gelu' } },
  ];
}
