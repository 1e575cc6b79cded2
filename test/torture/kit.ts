/**
 * What every test of `npm run torture` is made of: some cases, each from a seed of its own, so that one that fails can be
 * run alone. `npm test` runs a few cases of each; the command sets their number and collects the outcomes.
 */
import { appendFileSync } from 'node:fs';
import { expect, test } from 'vitest';

export interface TortureOptions {
  readonly count: number;
  /** The first case's; the others follow one by one. */
  readonly seed: number;
  /** Shows how far it is. */
  readonly note: (line: string) => void;
}

export interface Outcome {
  readonly tried: number;
  readonly passed: number;
  /** Each with its seed. */
  readonly failures: readonly string[];
  /** What was found beside that, for the table. */
  readonly remark?: string;
}

export type Torture = (options: TortureOptions) => Promise<Outcome>;

/** Runs `one` for every seed; it returns what went wrong, or undefined. */
export async function cases(
  { count, seed, note }: TortureOptions,
  one: (seed: number) => Promise<string | undefined>,
): Promise<Outcome> {
  const failures: string[] = [];
  for (let i = 0; i < count; i++) {
    const problem = await one(seed + i).catch((error: Error) => String(error.stack ?? error));
    if (problem !== undefined) failures.push(`seed ${seed + i}: ${problem}`);
    note(`${i + 1} of ${count}${problem === undefined ? '' : `, missed: ${failures.at(-1)}`}`);
  }
  return { tried: count, passed: count - failures.length, failures };
}

/** One test: `short` cases of it in `npm test`. */
export function torture(name: string, short: number, run: Torture): void {
  const { TORTURE_COUNT, TORTURE_SEED, TORTURE_REPORT } = process.env;
  const count = Number(TORTURE_COUNT ?? short);
  const seed = Number(TORTURE_SEED ?? 1);
  const note = (line: string) => {
    if (TORTURE_REPORT !== undefined) process.stderr.write(`${name}: ${line}\n`);
  };
  test(name, { timeout: 12 * 3_600_000 }, async () => {
    const outcome = await run({ count, seed, note });
    if (TORTURE_REPORT !== undefined)
      appendFileSync(TORTURE_REPORT, `${JSON.stringify({ name, ...outcome })}\n`);
    expect(outcome.failures).toEqual([]);
    expect(outcome.passed).toBe(outcome.tried);
    expect(outcome.tried).toBeGreaterThan(0);
  });
}
