/** Numbers as text for people. */

/** Three digits, without an exponent: `1234`, `56.7`, `8.90`. */
export const short = (value: number): string =>
  value >= 100 ? value.toFixed(0) : value.toFixed(value >= 10 ? 1 : 2);

/** A share of 1 as percent: `34 %`, below a tenth `3.4 %`, or with as many decimals as `digits` says. */
export const percent = (share: number, digits = share < 0.1 ? 1 : 0): string =>
  `${(100 * share).toFixed(digits)} %`;
