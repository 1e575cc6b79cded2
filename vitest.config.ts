import { statSync } from 'node:fs';
import { defineConfig } from 'vitest/config';
import { BaseSequencer } from 'vitest/node';

/**
 * The longest texts first, as they tend to take longest, so that no core waits for the other at the end; vitest would go by what
 * failed or was slow last time.
 */
class BySize extends BaseSequencer {
  override async sort(files: Parameters<BaseSequencer['sort']>[0]) {
    const size = new Map(files.map(({ moduleId }) => [moduleId, statSync(moduleId).size]));
    return [...files].sort((a, b) => size.get(b.moduleId)! - size.get(a.moduleId)!);
  }
}

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Processes, as a crash in a driver must not take the other files along; two, as a software adapter fills them.
    pool: 'forks',
    maxWorkers: 2,
    // A software adapter compiles some kernels for seconds.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    sequence: { sequencer: BySize, concurrent: false, shuffle: false },
  },
});
