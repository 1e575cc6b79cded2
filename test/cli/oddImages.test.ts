/** The short form of `npm run torture` for images: odd ones, broken ones, and bytes at random. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { openImagePool } from '../../cli/platform/imagePool.js';
import { nodePlatform } from '../../cli/platform/node.js';
import { decodeImage } from '../../cli/platform/nodeImage.js';
import { temporaryFolder } from '../helpers/files.js';
import { decodeMutated, readHalfBroken } from '../helpers/imageTorture.js';
import { KINDS_OF_BROKEN, KINDS_OF_GOOD } from '../helpers/oddImages.js';

const folder = temporaryFolder('odd-images');
/** Workers are started from the compiled file, as users have it. */
const script = fileURLToPath(new URL('../../dist/cli/platform/imageWorker.js', import.meta.url));

describe('half of a data set broken', () => {
  it.each([0, 2])(
    'with %i workers: every good image has its pixels, every broken one is named',
    async (workers) => {
      const count = Math.max(KINDS_OF_GOOD, KINDS_OF_BROKEN);
      const pool = openImagePool(nodePlatform, workers, script);
      try {
        const found = await readHalfBroken(pool.platform, join(folder, String(workers)), count);
        expect(found).toEqual({ good: count, skipped: count, faults: [] });
      } finally {
        await pool.close();
      }
    },
  );
});

describe('bytes at random', () => {
  it('are an image or a refusal that names the file', async () => {
    const { accepted, refused, faults } = await decodeMutated(decodeImage, 300);
    expect(faults).toEqual([]);
    // Both happen, or nothing was tried.
    expect(accepted).toBeGreaterThan(20);
    expect(refused).toBeGreaterThan(20);
  });
});
