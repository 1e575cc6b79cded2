import { describe, expect, it } from 'vitest';
import type { EncoderRow } from '../../bench/workloads/encoder.js';
import { promptkd } from '../helpers/cli.js';

describe('promptkd bench', () => {
  it.each([
    [['nonsense'], 'nonsense is not a benchmark', 'kernels, encoder, step'],
    [['step', '--model', 'ViT-X'], 'no model is called ViT-X', 'ViT-B/16'],
    [['--repeats', '0'], "'0' is invalid", '--help'],
  ])('refuses %j before it opens an adapter', (args, message, hint) => {
    const { status, stdout, stderr } = promptkd(['bench', ...args]);
    expect({ status, stdout }, stderr).toEqual({ status: 2, stdout: '' });
    expect(stderr).toContain(message);
    expect(stderr.split('hint:')[1]).toContain(hint);
  });

  it('prints every sample as JSON', () => {
    const args = ['bench', 'encoder', '--model', 'emoji-student', '--batch', '2', '--repeats', '3', '--json'];
    const { status, stdout, stderr } = promptkd(args);
    expect(status, stderr).toBe(0);
    const report = JSON.parse(stdout) as { adapter: { name: string }; encoder: EncoderRow[] };
    expect(report.adapter.name).not.toBe('');
    expect(report.encoder.map(({ model, batch, dtype }) => [model, batch, dtype])).toEqual([
      ['emoji-student', 1, 'f32'],
      ['emoji-student', 2, 'f32'],
    ]);
    for (const { timing } of report.encoder) expect(timing.samples.length).toBe(3);
  });
});
