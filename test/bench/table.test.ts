import { describe, expect, it } from 'vitest';
import { factor, geometricMean, markdownTable } from '../../bench/table.js';
import { counted, milliseconds, perSecond } from '../../cli/terminal/timings.js';
import { number, percent } from '../../models/numbers.js';

const timing = { median: 2, min: 1.5, max: 12.345, samples: [2, 1.5, 12.345], runs: 4 };

describe('tables of the bench', () => {
  it('writes Markdown with text left-aligned and numbers right-aligned', () => {
    const text = markdownTable({ head: ['what', 'how', 'ms'], rows: [['a|b', 'x\ny', '1']], text: 2 });
    expect(text).toBe('| what | how | ms |\n|---|---|---:|\n| a\\|b | x y | 1 |\n');
  });

  it('shows three significant digits without exponents', () => {
    expect([0.0012345, 0.12345, 1.2345, 12.345, 123.45, 12345].map((value) => number(value))).toEqual([
      '0.00123',
      '0.123',
      '1.23',
      '12.3',
      '123',
      '12345',
    ]);
    expect([0, Number.NaN, Number.POSITIVE_INFINITY].map((value) => number(value))).toEqual(['0', '-', '-']);
  });

  it('says what of a timing matters', () => {
    expect(milliseconds(timing)).toBe('2.00 (1.50 to 12.3)');
    expect(counted(timing)).toBe('3 x 4');
    expect(perSecond(8e9, timing)).toBe(4000);
    expect(percent(0.256)).toBe('25.6 %');
    expect(factor(2.405)).toBe('2.40x');
    expect(geometricMean([2, 8])).toBeCloseTo(4, 12);
  });
});
