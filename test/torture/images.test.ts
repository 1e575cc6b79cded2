/** A data set half of which is broken: read as eval and as a training epoch read it. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openImagePool } from '../../cli/platform/imagePool.js';
import { nodePlatform } from '../../cli/platform/node.js';
import { temporaryFolder } from '../helpers/files.js';
import { readHalfBroken } from '../helpers/imageTorture.js';
import { torture } from './kit.js';

const folder = temporaryFolder('images');
const script = fileURLToPath(new URL('../../dist/cli/platform/imageWorker.js', import.meta.url));

torture('images', 12, async ({ count, note }) => {
  let passed = 0;
  const failures: string[] = [];
  for (const workers of [0, 2]) {
    const pool = openImagePool(nodePlatform, workers, script);
    try {
      const { good, skipped, faults } = await readHalfBroken(
        pool.platform,
        join(folder, String(workers)),
        count,
      );
      note(`${workers} workers: ${good} good ones used, ${skipped} broken ones skipped and named`);
      passed += good + skipped;
      failures.push(...faults.map((fault) => `${workers} workers: ${fault}`));
    } finally {
      await pool.close();
    }
  }
  return { tried: 4 * count, passed, failures };
});
