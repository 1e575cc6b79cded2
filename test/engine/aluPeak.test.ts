import { expect, it } from 'vitest';
import { aluPeak, RESULT } from '../../engine/aluPeak.js';
import { Reader } from '../../engine/memory.js';
import { WORKGROUP } from '../../engine/op.js';
import { testGpu } from '../helpers/check.js';

it('measures arithmetic that was really done, once a device', async () => {
  const gpu = await testGpu();
  const peak = await aluPeak(gpu);
  // Slower than the slowest phone by far, and faster than any card of this decade.
  expect(peak.flops).toBeGreaterThan(1e8);
  expect(peak.flops).toBeLessThan(1e16);
  const reader = new Reader(gpu);
  const values = new Float32Array(await reader.read(peak.result, WORKGROUP * 4));
  // Every chain has reached the fixed point of x / 2 + 1, to within rounding.
  for (const value of values) expect(Math.abs(value - RESULT)).toBeLessThan(1e-3);
  reader.destroy();
  expect(await aluPeak(gpu)).toBe(peak);
});
