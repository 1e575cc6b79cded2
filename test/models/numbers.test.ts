import { describe, expect, it } from 'vitest';
import { mebibytes } from '../../engine/index.js';
import { fixed, megabytes, number, percent, percentage } from '../../models/numbers.js';

describe('numbers for people', () => {
  it('have three significant digits, or fewer where decimals are limited', () => {
    expect([1234.5, 100, 99.96, 12.345, 9.996, 0.12345].map((value) => number(value, 2))).toEqual([
      ...['1235', '100', '100.0', '12.3', '10.00', '0.12'],
    ]);
    expect([0, 0.004].map((value) => number(value, 2))).toEqual(['0.00', '0.00']);
    expect([1e-5, 1e-9, -0.5].map((value) => number(value))).toEqual(['0.000010', '0.000000', '-0.500']);
  });

  it('are a dash where there is none', () => {
    expect([undefined, Number.NaN, 2.25].map((value) => fixed(value))).toEqual(['-', '-', '2.3']);
    expect(fixed(undefined, 1, '–')).toBe('–');
  });

  it('are shares of a whole', () => {
    expect([percent(0.034), percent(0), percent(0.034, 1), percent(1, 0)]).toEqual([
      ...['3.40 %', '0 %', '3.4 %', '100 %'],
    ]);
    expect([percentage(1, 8), percentage(0, 8), percentage(0, 0)]).toEqual([12.5, 0, undefined]);
  });

  it('are sizes in MB and MiB', () => {
    expect([megabytes(1_250_000), megabytes(999, 3)]).toEqual(['1.3', '0.001']);
    expect([mebibytes(3 * 2 ** 19), mebibytes(3 * 2 ** 19, 0)]).toEqual(['1.5 MiB', '2 MiB']);
  });
});
