import { describe, expect, it } from 'vitest';
import { alternate, median, type Runner, runsFor, summarise } from '../../engine/gpu/measure.js';

describe('medians and samples', () => {
  it('takes the middle value, or the mean of the two middle ones', () => {
    expect(median([5])).toBe(5);
    expect(median([9, 1, 4])).toBe(4);
    expect(median([8, 2, 4, 100])).toBe(6);
    expect(() => median([])).toThrow('no values');
  });

  it('keeps the samples in order, with median and range', () => {
    expect(summarise([3, 1, 7], 2)).toEqual({ median: 3, min: 1, max: 7, samples: [3, 1, 7], runs: 2 });
  });

  it('repeats short runs until a sample is long enough', () => {
    expect(runsFor(4, { repeats: 5, leastMs: 50 })).toBe(13);
    expect(runsFor(80, { repeats: 5, leastMs: 50 })).toBe(1);
    expect(runsFor(1e-9, { repeats: 5, leastMs: 50, mostRuns: 64 })).toBe(64);
  });

  it('alternates between runners, after two warm-up runs', async () => {
    const calls: string[] = [];
    const runner = (name: string, ms: number): Runner => ({
      run: async (count) => {
        calls.push(`${name}${count}`);
        return calls.length < 5 ? 10 : ms * count;
      },
    });
    const [a, b] = await alternate([runner('a', 2), runner('b', 30)], { repeats: 3, leastMs: 20 });
    expect(calls).toEqual(['a1', 'a1', 'b1', 'b1', 'a2', 'b2', 'a2', 'b2', 'a2', 'b2']);
    expect(a).toEqual({ median: 2, min: 2, max: 2, samples: [2, 2, 2], runs: 2 });
    expect(b?.median).toBe(30);
  });
});
