/**
 * `npm run fuzz [-- ROUNDS [FIRST_SEED]]`: reads damaged inputs of every kind, 10,000 of each by default: checkpoints of every
 * format, files of runs, settings, lists and tokenizers. Reports the largest time and memory of one input. A failure names its
 * seed, which can be run alone: `npm run fuzz -- 1 SEED`.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const [rounds = '10000', firstSeed = '0'] = process.argv.slice(2);
const { status } = spawnSync(
  process.execPath,
  [
    'node_modules/vitest/vitest.mjs',
    'run',
    'test/properties/checkpoints.test.ts',
    'test/properties/files.test.ts',
  ],
  {
    stdio: 'inherit',
    cwd: fileURLToPath(new URL('..', import.meta.url)),
    env: { ...process.env, FUZZ_ROUNDS: rounds, FUZZ_SEED: firstSeed },
  },
);
process.exit(status ?? 1);
