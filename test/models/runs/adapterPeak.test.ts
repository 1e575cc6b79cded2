import { expect, it } from 'vitest';
import { adapterPeak } from '../../../models/runs/adapterPeak.js';
import { testGpu } from '../../helpers/check.js';
import { countCreations, NOTHING } from '../../helpers/creations.js';

it('measures once a device, and finds what an adapter can have', async () => {
  const gpu = await testGpu();
  const peak = await adapterPeak(gpu);
  // Slower than the slowest phone by far, and faster than any card of this decade.
  expect(peak).toBeGreaterThan(1e8);
  expect(peak).toBeLessThan(1e16);
  const count = countCreations(gpu);
  expect(await adapterPeak(gpu)).toBe(peak);
  expect(count()).toEqual(NOTHING);
});
