/** How Stryker runs the tests of one source file: `MUTATION_TESTS` names them, as nothing else must run for a mutant. */
import { defineConfig } from 'vitest/config';

export default defineConfig({
  // Stryker asks for threads, with which a failed test that leaves the device at work takes Stryker's own process along.
  plugins: [
    {
      name: 'processes',
      configureVitest({ project }) {
        project.config.pool = 'forks';
      },
    },
  ],
  test: {
    include: (process.env.MUTATION_TESTS ?? '').split(','),
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
