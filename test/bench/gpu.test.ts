/** The comparison tables of bench/gpu, and that they survive the files of a stopped step. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { encoderTable, kernelTable, stepTable } from '../../bench/gpu/compare.js';
import { temporaryFolder } from '../helpers/files.js';

const timing = (median: number) => ({ timing: { median } });

describe('a comparison', () => {
  const step = { models: 'ViT-L/14 to ViT-B/16', batch: 8, classes: 100, dtype: 'f16' } as const;
  const ours = { ...step, activations: 'f16', stage: 2, mode: undefined, ...timing(10) } as const;

  it('is of the same step', () => {
    const others = [
      { ...step, kind: 'step', batch: 4, ms: 1 },
      { ...step, kind: 'step', dtype: 'f32', ms: 2 },
      { ...step, kind: 'step', ms: 25 },
    ] as const;
    const [, , row, ...rest] = stepTable([{ ...ours, stage: 1 }, ours], others)
      .trim()
      .split('\n');
    expect(row).toBe('| ViT-L/14 to ViT-B/16 | 8 | 100 | f16 | f16 | 10.0 | 25.0 | 2.50x |');
    expect(rest).toEqual([]);
    expect(stepTable([ours], others.slice(0, 2))).toBe('');
  });

  it('is of matmuls with the same sizes, layout and storage, and of attention in the same direction', () => {
    const row = (family: 'gemm-nt' | 'gemm-nn' | 'attention', name: string, median: number) =>
      ({ family, name, dtype: 'f16', flops: 2e9, ...timing(median) }) as const;
    const table = kernelTable(
      [
        row('gemm-nt', 'qkv 16 x 8 x 24', 1),
        row('gemm-nn', 'dqkv 16 x 24 x 8', 2),
        row('gemm-nt', 'square 64 x 64 x 64', 3),
        row('attention', 'forward 2 x 2 x 17 x 64', 4),
        row('attention', 'backward 2 x 2 x 17 x 64', 5),
      ],
      [
        { kind: 'gemm', layout: 'nt', sizes: [16, 8, 24], dtype: 'f16', ms: 2 },
        { kind: 'gemm', layout: 'nn', sizes: [16, 24, 8], dtype: 'f32', ms: 9 },
        { kind: 'gemm', layout: 'nn', sizes: [64, 64, 64], dtype: 'f16', ms: 9 },
        { kind: 'attention', direction: 'backward', sizes: [2, 2, 17, 64], dtype: 'f16', ms: 2.5 },
      ],
    );
    expect(table.trim().split('\n').slice(2)).toEqual([
      '| gemm-nt | qkv 16 x 8 x 24 | f16 | 1.00 | 2.00 | 2.00 | 1.00 | 2.00x |',
      '| attention | backward 2 x 2 x 17 x 64 | f16 | 5.00 | 0.400 | 2.50 | 0.800 | 0.50x |',
    ]);
  });

  it('is of the same encoder, and relative to the run that alternated with onnxruntime', () => {
    const encoder = { model: 'ViT-B/16', batch: 64, activations: 'f32' } as const;
    const name = 'ViT-B/16 encoder, batch 64';
    const table = encoderTable(
      [
        { ...encoder, dtype: 'f32', ...timing(40) },
        { ...encoder, dtype: 'f16', ...timing(10) },
      ],
      [{ kind: 'encoder', model: 'ViT-B/16', batch: 64, dtype: 'f16', ms: 8 }],
      [
        { case: name, contender: 'ours', ...timing(50) },
        { case: name, contender: 'onnxruntime-node', ...timing(300) },
        { case: name, contender: 'onnxruntime-node', ...timing(200) },
        { case: name, contender: 'onnxruntime-node' },
      ],
    );
    expect(table.trim().split('\n').slice(2)).toEqual([
      '| ViT-B/16 | 64 | f32 | 40.0 |  |  | 200 | 4.00x |',
      '| ViT-B/16 | 64 | f16 | 10.0 | 8.00 | 0.80x |  |  |',
    ]);
  });

  it('skips a truncated file', () => {
    const folder = temporaryFolder('gpu');
    const put = (name: string, text: string) => writeFileSync(join(folder, name), text);
    put('step-f16.json', JSON.stringify({ rows: [ours] }));
    put('pytorch-step.json', JSON.stringify({ rows: [{ ...step, kind: 'step', ms: 20 }] }));
    put('kernels-f16.json', '{"rows": [{"fam');
    execFileSync(process.execPath, ['dist/bench/gpu/collect.js', folder, folder], { stdio: 'pipe' });
    expect(Object.keys(JSON.parse(readFileSync(join(folder, 'results.json'), 'utf8')))).toEqual([
      'pytorch-step',
      'step-f16',
    ]);
    expect(readFileSync(join(folder, 'comparison.md'), 'utf8')).toContain('| 20.0 | 2.00x |');
  });
});
