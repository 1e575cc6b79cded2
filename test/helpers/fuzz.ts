/** Damaged inputs of one kind, each the same for the same seed: a message or a right result, nothing else, in little time and memory. */
import { isDeepStrictEqual } from 'node:util';
import { expect, test } from 'vitest';
import { UserError } from '../../engine/errors.js';
import { type Next, numbers } from '../properties/choices.js';
import { readPeak, resetPeak } from './peakMemory.js';

export const ROUNDS = Number(process.env.FUZZ_ROUNDS ?? 200);
const FIRST_SEED = Number(process.env.FUZZ_SEED ?? 0);
const MIB = 2 ** 20;
/** Of processor time: other processes on the machine do not count. */
const MOST_SECONDS = 2;
const mostMemory = (size: number) => 2 * size + 64 * MIB;

export interface FuzzKind<T> {
  make(next: Next): T;
  /** Reads all that can have an effect. */
  read(input: T): Promise<unknown>;
  /** In bytes. */
  size(input: T): number;
  /**
   * What every input that is accepted must read as, for files that say themselves whether they are whole; `unless` tells inputs
   * whose seal the damage has removed, which are others' files then.
   */
  readonly expected?: { readonly value: () => Promise<unknown>; readonly unless: (input: T) => boolean };
  /** Words of messages that would betray a bug elsewhere and are what the input says here. */
  readonly said?: RegExp;
  /** Whether some must be refused (default), which shows that the damage hits what is read. */
  readonly refuses?: boolean;
}

/** A test of `ROUNDS` inputs. */
export function fuzzTest<T>(name: string, kind: FuzzKind<T>): void {
  test(`${name}: ${ROUNDS} mutations`, { timeout: 7_200_000 }, async () => {
    const { make, read, size, expected, refuses = true } = kind;
    const whole = await expected?.value();
    let refused = 0;
    let others = 0;
    const worst = { seconds: 0, bytes: 0 };
    for (let seed = FIRST_SEED; seed < FIRST_SEED + ROUNDS; seed++) {
      const input = make(numbers(seed));
      const measured = resetPeak();
      const before = measured ? readPeak().now : 0;
      const start = process.cpuUsage();
      let found: unknown;
      let error: unknown;
      try {
        found = await read(input);
      } catch (thrown) {
        error = thrown ?? new Error('nothing was thrown');
      }
      const { user, system } = process.cpuUsage(start);
      const taken = measured ? readPeak().peak - before : 0;
      const bytes = size(input);
      worst.seconds = Math.max(worst.seconds, (user + system) / 1e6);
      worst.bytes = Math.max(worst.bytes, taken - 2 * bytes);
      expect((user + system) / 1e6, `seconds of seed ${seed}`).toBeLessThan(MOST_SECONDS);
      expect(taken, `bytes taken by seed ${seed}, a file of ${bytes}`).toBeLessThan(mostMemory(bytes));
      if (error !== undefined) {
        refused++;
        requireMessage(error, seed, kind.said);
      } else if (expected && !isDeepStrictEqual(found, whole)) {
        if (!expected.unless(input))
          throw new Error(`seed ${seed} was taken for something else than what was written`);
        others++;
      }
    }
    if (ROUNDS >= 1000)
      console.log(
        `${name}: ${refused} of ${ROUNDS} refused${expected ? `, ${others} without their seal` : ''}; at most ` +
          `${worst.seconds.toFixed(2)} s, ${Math.round(worst.bytes / MIB)} MiB above twice the size`,
      );
    if (ROUNDS >= 100 && refuses) expect(refused).toBeGreaterThan(ROUNDS / 20);
  });
}

function requireMessage(error: unknown, seed: number, said = /$^/): void {
  if (!(error instanceof UserError)) throw new Error(`seed ${seed}`, { cause: error });
  expect(error.hint.length).toBeGreaterThan(5);
  expect(error.message.length, `seed ${seed}`).toBeLessThan(700);
  // A value that is not a number is named as such.
  const message = error.message.replace(said, '').replace('holds NaN at', '');
  expect(message, `seed ${seed}`).not.toMatch(/\p{Cc}|undefined|NaN|\[object/u);
}
