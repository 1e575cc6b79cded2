/** Numbers as text for people. Bytes in MiB are the engine's `mebibytes`. */

/** Three significant digits without an exponent and at most so many decimals: `1234`, `56.7`, `8.90`; `-` if not finite. */
export function number(value: number, decimals = value === 0 ? 0 : 6): string {
  if (!Number.isFinite(value)) return '-';
  const wanted = 2 - Math.floor(Math.log10(Math.abs(value)));
  return value.toFixed(Math.min(Math.max(0, wanted), decimals));
}

/** So many decimals; `missing` where there is no number. */
export const fixed = (value: number | undefined, decimals = 1, missing = '-'): string =>
  value === undefined || !Number.isFinite(value) ? missing : value.toFixed(decimals);

/** A share of 1 as percent, `3.40 %`: with three significant digits, or so many decimals. */
export const percent = (share: number, decimals?: number): string =>
  `${decimals === undefined ? number(100 * share) : fixed(100 * share, decimals)} %`;

/** How much of the whole a part is, in percent; undefined for a part of nothing. */
export const percentage = (part: number, whole: number): number | undefined =>
  whole === 0 ? undefined : (100 * part) / whole;

/** Bytes in MB (10^6), without the unit. */
export const megabytes = (bytes: number, decimals = 1): string => fixed(bytes / 1e6, decimals);
