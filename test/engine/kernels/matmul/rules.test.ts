/** The rule for tiles against what an NVIDIA H200 was measured to do. */
import { describe, expect, it } from 'vitest';
import type { Capabilities } from '../../../../engine/capabilities.js';
import { input } from '../../../../engine/graph/tensor.js';
import { type MatmulSizes, matmulFlops } from '../../../../engine/kernels/matmul/launch.js';
import {
  LARGE_SHAPES,
  matmulTime,
  SHARED_MEMORY_RATES,
  sharedMemoryTiles,
  tensorCoreTiles,
} from '../../../../engine/kernels/matmul/rules.js';
import { workgroupTile } from '../../../../engine/kernels/matmul/tensorCore.js';
import { computeUnits } from '../../../../engine/units.js';
import { TENSOR_CORES } from '../../../helpers/tensorCores.js';

const H200: Capabilities = {
  ...TENSOR_CORES,
  ...{ units: computeUnits({ name: 'NVIDIA H200', vendor: 'nvidia' }), workgroupMemory: 49152 },
};

const sizesOf = (m: number, n: number, k: number): MatmulSizes => ({
  ...{ batch: 1, m, n, k },
  ...{ transposeA: false, transposeB: true },
});
const problemOf = (m: number, n: number, k: number) => ({
  a: input([m, k], 'a', 'f16'),
  b: input([n, k], 'b', 'f16'),
  c: input([m, n], 'c', 'f16'),
  sizes: sizesOf(m, n, k),
  epilogue: {},
});

const EDGES = { '2x2 of 64x64': [128, 128], '1x4 of 64x32': [64, 128], '2x2 of 32x32': [64, 64] } as const;
type Measured = keyof typeof EDGES;

/** Rates that fit kernels whose strips of sums lay beside the stage. */
const APART: Record<Measured, number> = { '2x2 of 64x64': 198, '1x4 of 64x32': 181, '2x2 of 32x32': 136 };
/** M, N and K; TFLOP/s of these kernels; and of the best of all six shapes that were measured. */
const MATRIX: readonly (readonly [
  sizes: readonly [number, number, number],
  measured: Record<Measured, number>,
  best: number,
])[] = [
  [[4096, 4096, 4096], { '2x2 of 64x64': 166, '1x4 of 64x32': 160, '2x2 of 32x32': 130 }, 179],
  [[1576, 2304, 768], { '2x2 of 64x64': 129, '1x4 of 64x32': 122, '2x2 of 32x32': 96 }, 129],
  [[2056, 4096, 1024], { '2x2 of 64x64': 140, '1x4 of 64x32': 158, '2x2 of 32x32': 122 }, 158],
  [[2056, 1024, 4096], { '2x2 of 64x64': 103, '1x4 of 64x32': 174, '2x2 of 32x32': 128 }, 174],
];

/** Milliseconds of the shared-memory-tiled kernel in float32, where they were measured. */
const STAGED: readonly (readonly [m: number, n: number, k: number, ms: Record<number, number>])[] = [
  [2088, 3072, 1024, { 128: 0.52, 64: 0.38, 32: 0.51 }],
  [1608, 768, 768, { 128: 0.116, 64: 0.108, 32: 0.084 }],
  [4096, 4096, 4096, { 128: 4.04 }],
];

const within = (found: number, right: number, factor: number) =>
  Math.max(found / right, right / found) < factor;

describe('the rule for tiles', () => {
  for (const [sizes, measured, best] of MATRIX)
    it(`knows what kernels took for ${sizes.join('x')} on tensor cores, and which was fast`, () => {
      const predicted = (name: Measured) =>
        matmulFlops(sizesOf(...sizes)) /
        matmulTime(sizesOf(...sizes), EDGES[name], { rate: APART[name] }, 132) /
        1e12;
      const names = Object.keys(EDGES) as Measured[];
      for (const name of names) expect(within(predicted(name), measured[name], 1.15), name).toBe(true);
      const chosen = names.reduce((most, name) => (predicted(name) > predicted(most) ? name : most));
      expect(measured[chosen]).toBeGreaterThan(0.9 * best);
    });

  it('expects no less of kernels whose strips lie in the stage', () => {
    for (const name of Object.keys(EDGES) as Measured[]) {
      const [m, n] = EDGES[name];
      const shape = LARGE_SHAPES.find((each) => workgroupTile(each).join() === `${m},${n}`)!;
      expect(shape.rate).toBeGreaterThanOrEqual(APART[name]);
      expect(shape.tailRate ?? shape.rate).toBe(APART[name]);
    }
  });

  for (const [m, n, k, ms] of STAGED)
    it(`chooses the fastest shared-memory tile for ${m}x${n}x${k}, and knows its time within 20 %`, () => {
      const tile = sharedMemoryTiles({ sizes: sizesOf(m, n, k) }, H200)[0]!;
      expect(ms[tile]).toBe(Math.min(...Object.values(ms)));
      const time = matmulTime(sizesOf(m, n, k), [tile, tile], SHARED_MEMORY_RATES[tile], 132);
      expect(within(1000 * time, ms[tile]!, 1.2)).toBe(true);
    });

  it('takes smaller tiles where there are few units for large ones to fill, or many', () => {
    const edge = (m: number, n: number, units: number) =>
      workgroupTile(tensorCoreTiles(problemOf(m, n, 768), { ...H200, units })[0]!.shape);
    expect(edge(1576, 2304, 132)).toEqual([128, 128]);
    expect(edge(200, 768, 132)).toEqual([64, 64]);
    expect(edge(1608, 768, 132)).toEqual([128, 96]);
    expect(workgroupTile(tensorCoreTiles(problemOf(4096, 4096, 4096), H200)[0]!.shape)).toEqual([256, 128]);
    // Ten units are busy with large tiles of a matmul that leaves most of 132 idle.
    expect(edge(1608, 768, 10)).toEqual([128, 128]);
  });

  it('leaves out shapes that an adapter has no room for', () => {
    const tiles = (changed: Partial<Capabilities>) =>
      tensorCoreTiles(problemOf(4096, 4096, 4096), { ...H200, ...changed }).length;
    expect(tiles({})).toBe(5);
    expect(tiles({ workgroupMemory: 16384 })).toBe(1);
    expect(tiles({ workgroupMemory: 8192 })).toBe(0);
    // Subgroups of 128 lanes are too many invocations for four of them.
    expect(tiles({ subgroupSize: [128, 128] })).toBe(0);
  });
});

describe('compute units', () => {
  it('are known by an adapter’s name, and guessed by its vendor', () => {
    const units = (name: string, vendor = '') => computeUnits({ name, vendor });
    expect(units('NVIDIA H200')).toBe(132);
    expect(units('NVIDIA GeForce RTX 4070 Ti SUPER')).toBe(60);
    expect(units('NVIDIA GeForce RTX 4070')).toBe(46);
    expect(units('AMD Radeon RX 7900 XTX (RADV NAVI31)')).toBe(96);
    expect(units('Apple M3 Max')).toBe(36);
    expect(units('Apple M1')).toBe(10);
    expect(units('Intel(R) Arc(tm) A770 Graphics (DG2)')).toBe(32);
    expect(units('unnamed adapter', 'nvidia')).toBe(60);
    expect(units('something new', 'of nobody')).toBe(32);
  });
});
