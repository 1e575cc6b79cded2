import { defineConfig } from 'vitest/config';
import { BaseSequencer } from 'vitest/node';

/** By path, where vitest would put what failed or was slow last time first. */
class ByPath extends BaseSequencer {
  override async sort(files: Parameters<BaseSequencer['sort']>[0]) {
    return [...files].sort((a, b) => (a.moduleId < b.moduleId ? -1 : 1));
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
    sequence: { sequencer: ByPath, concurrent: false, shuffle: false },
  },
});
