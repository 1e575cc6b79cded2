/**
 * `npm run fuzz [-- ROUNDS [FIRST_SEED]]`: damaged inputs of every kind, 10,000 of each unless told otherwise, with the most
 * time and memory that one of them took: checkpoints of every format, what runs write, settings, lists and tokenizers.
 * A seed that fails is named and can be run alone: `npm run fuzz -- 1 SEED`.
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
