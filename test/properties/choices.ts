/** Choices that are the same for the same seed: what every mutator draws from. */

/** Whole numbers 0 .. limit - 1. */
export type Next = (limit: number) => number;

/** From a seed (mulberry32). */
export function numbers(seed: number): Next {
  let state = seed;
  return (limit) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % limit;
  };
}

export const pick = <T>(next: Next, choices: readonly T[]): T => choices[next(choices.length)]!;
