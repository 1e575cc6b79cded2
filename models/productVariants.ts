/** Every kernel of the matrix product, of every level and layout, for checks that compile without running. */
import type { SubgroupMatrixConfig } from '../engine/adapter.js';
import type { Capabilities, Level } from '../engine/gpu.js';
import { type KernelSource, kernelSource } from '../engine/kernel.js';
import { productCandidates } from '../engine/product/candidates.js';
import type { Epilogue } from '../engine/product/product.js';
import { type DType, input } from '../engine/tensor.js';
import { PORTABLE } from './promptkd/shapes.js';

/** What Metal, Intel, NVIDIA and AMD name, with sums in float32. */
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

/** Adapters that differ in which kernels they are offered. */
const ADAPTERS: readonly Partial<Capabilities>[] = [
  { level: 'portable' },
  { level: 'portable', software: true },
  { level: 'subgroups', software: true, subgroupSize: [8, 8] },
  { level: 'subgroups', software: true, subgroupSize: [4, 4] },
  { level: 'matrix', subgroupMatrix: MATRICES, subgroupSize: [32, 32], f16: true, workgroupMemory: 49152 },
  {
    level: 'matrix',
    subgroupMatrix: MATRICES,
    subgroupSize: [8, 64],
    subgroupSizeControl: true,
    f16: true,
    workgroupMemory: 49152,
  },
];

/** The kernels that adapters of a level are offered, at sizes that divide by everything and at sizes that do by nothing. */
export function productVariants(level: Level): KernelSource[] {
  const sources: KernelSource[] = [];
  for (const adapter of ADAPTERS.filter((changed) => changed.level === level)) {
    const capabilities = { ...PORTABLE, ...adapter };
    for (const transposeA of [false, true])
      for (const transposeB of [false, true])
        for (const [m, n, k, dtype] of [
          [136, 200, 72, 'f32'],
          [136, 200, 64, 'f16'],
          [33, 35, 37, 'f32'],
        ] as const)
          for (const epilogue of epilogues(m, n, dtype)) {
            const a = input(transposeA ? [2, k, m] : [2, m, k], 'a', dtype);
            const b = input(transposeB ? [2, n, k] : [2, k, n], 'b', dtype);
            const c = input([2, m, n], 'c', dtype);
            const sizes = { batch: 2, m, n, k, transposeA, transposeB };
            for (const candidate of productCandidates({ a, b, c, sizes, epilogue }, capabilities))
              sources.push(kernelSource(candidate.dispatch(), capabilities));
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
      pre: like('pre'),
      residual: input([2, m, n], 'residual'),
    },
    { slope: { pre: like('slope'), activation: 'gelu' } },
  ];
}
