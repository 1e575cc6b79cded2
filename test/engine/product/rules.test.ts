/** The rule for tiles against what an NVIDIA H200 was measured to do. */
import { describe, expect, it } from 'vitest';
import type { Capabilities } from '../../../engine/gpu.js';
import { matrixEdges } from '../../../engine/product/matrix.js';
import type { MatmulSizes } from '../../../engine/product/product.js';
import {
  LARGE_SHAPES,
  matrixTiles,
  productTime,
  type RatedShape,
  STAGED_RATES,
  stagedTiles,
} from '../../../engine/product/rules.js';
import { input } from '../../../engine/tensor.js';
import { computeUnits } from '../../../engine/units.js';
import { TENSOR_CORES } from '../../helpers/tensorCores.js';

const H200: Capabilities = {
  ...TENSOR_CORES,
  ...{ units: computeUnits({ name: 'NVIDIA H200', vendor: 'nvidia' }), workgroupMemory: 49152 },
};

const sizesOf = (m: number, n: number, k: number): MatmulSizes => ({
  ...{ batch: 1, m, n, k },
  ...{ transposeA: false, transposeB: true },
});
const productOf = (m: number, n: number, k: number) => ({
  a: input([m, k], 'a', 'f16'),
  b: input([n, k], 'b', 'f16'),
  c: input([m, n], 'c', 'f16'),
  sizes: sizesOf(m, n, k),
  epilogue: {},
});

/**
 * TFLOP/s of kernels whose strips lay beside the stage: those of LARGE_SHAPES in their order, and the best of six shapes. The
 * best differ between shapes of one tile by less than 10 %.
 */
const MATRIX: readonly (readonly [
  m: number,
  n: number,
  k: number,
  measured: readonly number[],
  best: number,
])[] = [
  [4096, 4096, 4096, [166, 160, 130], 179],
  [1576, 2304, 768, [129, 122, 96], 129],
  [2056, 4096, 1024, [140, 158, 122], 158],
  [2056, 1024, 4096, [103, 174, 128], 174],
];

/** Milliseconds of `staged` in float32, where they were measured. */
const STAGED: readonly (readonly [m: number, n: number, k: number, ms: Record<number, number>])[] = [
  [2088, 3072, 1024, { 128: 0.52, 64: 0.38, 32: 0.51 }],
  [1608, 768, 768, { 128: 0.116, 64: 0.108, 32: 0.084 }],
  [4096, 4096, 4096, { 128: 4.04 }],
];

describe('the rule for tiles', () => {
  for (const [m, n, k, measured, best] of MATRIX)
    it(`chooses a tile within 10 % of the best for ${m}x${n}x${k} on tensor cores, and its time within 15 %`, () => {
      const { shape } = matrixTiles(productOf(m, n, k), H200)[0]!;
      const chosen = LARGE_SHAPES.indexOf(shape as RatedShape);
      expect(measured[chosen]).toBeGreaterThan(0.9 * best);
      const { rate } = LARGE_SHAPES[chosen]!;
      const time = productTime(sizesOf(m, n, k), { tile: matrixEdges(shape), rate }, 132);
      const predicted = (2 * m * n * k) / time / 1e12;
      expect(Math.abs(Math.log(predicted / measured[chosen]!))).toBeLessThan(Math.log(1.15));
    });

  for (const [m, n, k, ms] of STAGED)
    it(`chooses the fastest staged tile for ${m}x${n}x${k}, and knows its time within 10 %`, () => {
      const tile = stagedTiles({ sizes: sizesOf(m, n, k) }, H200)[0]!;
      expect(ms[tile]).toBe(Math.min(...Object.values(ms)));
      const time = productTime(sizesOf(m, n, k), { tile: [tile, tile], rate: STAGED_RATES[tile] }, 132);
      expect(Math.abs(Math.log((1000 * time) / ms[tile]!))).toBeLessThan(Math.log(1.2));
    });

  it('takes smaller tiles where there are few units for large ones to fill, or many', () => {
    const edge = (m: number, n: number, units: number) =>
      matrixEdges(matrixTiles(productOf(m, n, 768), { ...H200, units })[0]!.shape);
    expect(edge(4096, 4096, 132)).toEqual([128, 128]);
    expect(edge(200, 768, 132)).toEqual([64, 64]);
    // Ten units are busy with large tiles of a product that leaves most of 132 idle.
    expect(edge(1608, 768, 10)).toEqual([128, 128]);
  });

  it('leaves out shapes that an adapter has no room for', () => {
    const tiles = (changed: Partial<Capabilities>) =>
      matrixTiles(productOf(4096, 4096, 4096), { ...H200, ...changed }).length;
    expect(tiles({})).toBe(3);
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
