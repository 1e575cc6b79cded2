/**
 * Damaged checkpoints of every format: a message or a CLIP, nothing else, in little time and memory. `npm run fuzz` runs
 * 10,000 of each.
 */
import { describe, expect, test } from 'vitest';
import { UserError } from '../../../engine/errors.js';
import { loadCheckpoint } from '../../../models/checkpoints/load.js';
import { readPeak, resetPeak } from '../../helpers/peakMemory.js';
import { memoryPlatform } from './fixtures.js';
import { type Damaged, FORMATS, numbers } from './mutations.js';

const ROUNDS = Number(process.env.FUZZ_ROUNDS ?? 200);
const FIRST_SEED = Number(process.env.FUZZ_SEED ?? 0);
const MIB = 2 ** 20;
/** Of processor time: other processes on the machine do not count. */
const MOST_SECONDS = 2;

const mostMemory = (size: number) => 2 * size + 64 * MIB;

/** Loads everything: the error, if one was thrown. */
async function load({ files, path }: Damaged): Promise<unknown> {
  try {
    const { tensors } = await loadCheckpoint(memoryPlatform(files), path);
    for (const tensor of tensors.values()) await tensor.read();
    return undefined;
  } catch (error) {
    return error;
  }
}

describe.each(Object.keys(FORMATS))('%s', (name) => {
  test(`${ROUNDS} mutations: a message or a CLIP, nothing else`, { timeout: 3_600_000 }, async () => {
    let refused = 0;
    const worst = { seconds: 0, bytes: 0 };
    for (let seed = FIRST_SEED; seed < FIRST_SEED + ROUNDS; seed++) {
      const damaged = FORMATS[name]!(numbers(seed));
      const size = Object.values(damaged.files).reduce((sum, file) => sum + file.length, 0);
      const measured = resetPeak();
      const before = measured ? readPeak().now : 0;
      const start = process.cpuUsage();
      const error = await load(damaged);
      const { user, system } = process.cpuUsage(start);
      const taken = measured ? readPeak().peak - before : 0;
      worst.seconds = Math.max(worst.seconds, (user + system) / 1e6);
      worst.bytes = Math.max(worst.bytes, taken - 2 * size);
      expect((user + system) / 1e6, `seconds of seed ${seed}`).toBeLessThan(MOST_SECONDS);
      expect(taken, `bytes taken by seed ${seed}, a file of ${size}`).toBeLessThan(mostMemory(size));
      if (error === undefined) continue;
      refused++;
      if (!(error instanceof UserError)) throw new Error(`seed ${seed}`, { cause: error });
      expect(error.mend.length).toBeGreaterThan(5);
      expect(error.message.length, `seed ${seed}`).toBeLessThan(700);
      // A value that is not a number is named as such.
      expect(error.message.replace('holds NaN at', ''), `seed ${seed}`).not.toMatch(
        /\p{Cc}|undefined|NaN|\[object/u,
      );
    }
    if (ROUNDS >= 1000)
      console.log(
        `${name}: ${refused} of ${ROUNDS} refused; at most ${worst.seconds.toFixed(2)} s, ` +
          `${Math.round(worst.bytes / MIB)} MiB above twice the size`,
      );
    if (ROUNDS >= 100) expect(refused).toBeGreaterThan(ROUNDS / 20);
  });
});
