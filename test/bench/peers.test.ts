import { describe, expect, it } from 'vitest';
import {
  headMajor,
  headMajorIndex,
  inputsOf,
  type PeerCase,
  partOf,
  resultSize,
} from '../../bench/peers/cases.js';
import { keyOf, type PeerRow } from '../../bench/peers/compare.js';
import { expectedAt, placesOf, relativeError } from '../../bench/peers/oracle.js';
import { compareWithGoals, fastest, ratio, renderPeers } from '../../bench/peers/render.js';
import { merge } from '../../bench/results.js';
import { evaluate } from '../../engine/graph/reference.js';
import { constant, type Tensor } from '../../engine/graph/tensor.js';
import { gelu } from '../../engine/ops/activation.js';
import { attention } from '../../engine/ops/attention.js';
import { layerNorm } from '../../engine/ops/layerNorm.js';
import { matmul } from '../../engine/ops/matmul.js';
import { softmax } from '../../engine/ops/softmax.js';

/** The case as a graph of the engine, whose references are written independently of the oracle. */
function graphOf(work: PeerCase): Tensor {
  switch (work.kind) {
    case 'gemm': {
      const { a, b } = inputsOf.gemm(work);
      return matmul(constant(a, [work.m, work.k]), constant(b, [work.k, work.n]));
    }
    case 'attention': {
      const shape = [work.batch, work.tokens, 3 * work.heads * 64];
      return attention(constant(inputsOf.attention(work), shape), { heads: work.heads, causal: false });
    }
    case 'layerNorm': {
      const { x, gamma, beta } = inputsOf.layerNorm(work);
      return layerNorm(
        constant(x, [work.rows, work.width]),
        constant(gamma, [work.width]),
        constant(beta, [work.width]),
      );
    }
    case 'softmax':
      return softmax(constant(inputsOf.softmax(work), [work.rows, work.width]));
    case 'gelu':
      return gelu(constant(inputsOf.gelu(work), [work.rows, work.width]));
    default:
      throw new Error(work.kind);
  }
}

describe('the reference results for peers', () => {
  const cases: PeerCase[] = [
    { kind: 'gemm', m: 7, k: 5, n: 9 },
    { kind: 'attention', batch: 2, heads: 3, tokens: 5 },
    { kind: 'layerNorm', rows: 3, width: 17 },
    { kind: 'softmax', rows: 5, width: 11 },
    { kind: 'gelu', rows: 4, width: 13 },
  ];
  it.each(cases)('agree with the references of the engine: $kind', (work) => {
    const size = resultSize(work);
    const places = placesOf(size);
    expect(places.at(-1)).toBe(size - 1);
    const graph = graphOf(work);
    const values = evaluate([graph]).get(graph)!;
    expect(values.length).toBe(size);
    expect(
      relativeError(
        expectedAt(work, places)!,
        places.map((at) => values[at]!),
      ),
    ).toBeLessThan(1e-12);
  });

  it('are taken at indices spread over large results', () => {
    const places = placesOf(1576 * 3072);
    expect(new Set(places).size).toBe(128);
    expect(Math.max(...places)).toBe(1576 * 3072 - 1);
    expect(new Set(places.map((at) => at % 3072)).size).toBeGreaterThan(100);
  });

  it('never match a missing or broken value', () => {
    expect(relativeError([1, 2], [1, 2])).toBe(0);
    expect(relativeError([1, Number.NaN], [1, 2])).toBe(Number.POSITIVE_INFINITY);
    expect(relativeError([1], [1, 2])).toBe(Number.POSITIVE_INFINITY);
    expect(relativeError([0, 0], [3, 4])).toBe(1);
  });

  it('split heads', () => {
    // One sequence of two tokens, two heads: [q of both heads | k | v] a token.
    const qkv = Float32Array.from({ length: 2 * 3 * 2 * 64 }, (_, i) => i);
    const keys = partOf(qkv, 2, 1);
    expect([keys[0], keys[127], keys[128]]).toEqual([128, 255, 512]);
    const split = headMajor(keys, 1, 2, 2);
    expect([split[0], split[64], split[128]]).toEqual([128, 512, 192]);
    for (const at of [0, 63, 64, 130, 255]) expect(split[headMajorIndex(at, 1, 2, 2)]).toBe(keys[at]);
  });
});

function row(name: string, kind: PeerRow['kind'], contender: string, ms?: number, variant = ''): PeerRow {
  const timing = ms === undefined ? undefined : { median: ms, min: ms, max: ms, samples: [ms], runs: 1 };
  return {
    case: name,
    kind,
    contender,
    variant,
    date: '2026-01-01T00:00:00Z',
    timing,
    failure: ms ? undefined : 'no',
  };
}

describe('the verdict', () => {
  const rows = [
    row('g1', 'gemm', 'ours', 10),
    row('g1', 'gemm', 'ours', 5, 'weight stored [n, k]'),
    row('g1', 'gemm', 'onnxruntime-node', 40),
    row('g1', 'gemm', 'tfjs', 30),
    row('g2', 'gemm', 'ours', 10),
    row('g2', 'gemm', 'onnxruntime-node', 90),
    row('g2', 'gemm', 'tfjs', 100),
    row('g2', 'gemm', 'jax-js'),
    row('a', 'attention', 'ours', 10),
    row('a', 'attention', 'onnxruntime-web', 19, 'fused MultiHeadAttention'),
    row('a', 'attention', 'tfjs', 12),
  ];

  it('compares with the fastest peer in the same layout', () => {
    expect(fastest(rows.filter((r) => r.case === 'g1'))!.variant).toBe('weight stored [n, k]');
    expect(ratio(rows, 'g1')).toBe(3);
    expect(ratio(rows, 'g2')).toBe(9);
    expect(ratio(rows, 'absent')).toBeUndefined();
  });

  it('measures each goal by its definition', () => {
    const results = compareWithGoals(rows);
    expect(results.map(({ work, cases }) => [work.split(',')[0], cases])).toEqual([
      ['GEMM', 2],
      ['GEMM', 2],
      ['attention', 1],
    ]);
    expect(results[0]?.reached).toBe(3);
    expect(results[1]?.reached).toBeCloseTo(6, 12);
    // The goal names onnxruntime's fused attention, so the unfused tfjs does not count.
    expect(results[2]?.reached).toBe(1.9);
    const text = renderPeers(rows);
    expect(text).toContain('| GEMM, least ratio to the best peer | 2 | 2.50x | 4.00x | 3.00x | yes |');
    expect(text).toContain("| attention, against onnxruntime's fused one | 1 | 2.00x | 4.00x | 1.90x | no |");
    expect(text).toContain('| g2 | jax-js |  | fails: no |');
  });

  it('replaces rows that are measured again', () => {
    const again = row('g1', 'gemm', 'tfjs', 25);
    const merged = merge(rows, [again], keyOf);
    expect(merged.length).toBe(rows.length);
    expect(ratio(merged, 'g1')).toBe(2.5);
  });
});
