import { statSync } from 'node:fs';
import { defineConfig } from 'vitest/config';
import { BaseSequencer } from 'vitest/node';

/** Short texts that run for a minute. */
const LONG_RUNS = /(notFinite|endToEnd|attention.candidates|bench.commands)\.test\.ts$/;

/**
 * The longest texts first, as they tend to take longest, so that no core waits for the other at the end; vitest would go by what
 * failed or was slow last time.
 */
class BySize extends BaseSequencer {
  override async sort(files: Parameters<BaseSequencer['sort']>[0]) {
    const weight = (file: string) => (LONG_RUNS.test(file) ? 1e9 : statSync(file).size);
    const size = new Map(files.map(({ moduleId }) => [moduleId, weight(moduleId)]));
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
