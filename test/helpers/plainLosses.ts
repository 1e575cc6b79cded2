/** The formulas of both stages' losses in plain float64, row by row, sharing no code with the engine (docs/method.md). */

/** Rows of numbers. */
export type Rows = readonly (readonly number[])[];

/** Row-major values as rows. */
export function rowsOf(values: ArrayLike<number>, width: number): number[][] {
  const all = Array.from(values);
  return Array.from({ length: all.length / width }, (_, r) => all.slice(r * width, (r + 1) * width));
}

/** Every row divided by its length. */
export const unitRows = (rows: Rows): number[][] =>
  rows.map((row) => {
    const length = Math.sqrt(row.reduce((sum, v) => sum + v * v, 0));
    return row.map((v) => v / length);
  });

/** `scale` times the dot product of each row of `a` with each of `b`. */
export const cosines = (a: Rows, b: Rows, scale: number): number[][] =>
  a.map((row) => b.map((other) => scale * row.reduce((sum, v, i) => sum + v * other[i]!, 0)));

const logSoftmax = (row: readonly number[]): number[] => {
  const largest = Math.max(...row);
  const total = Math.log(row.reduce((sum, v) => sum + Math.exp(v - largest), 0)) + largest;
  return row.map((v) => v - total);
};

/** Mean over the rows of -log softmax at the label. */
export const crossEntropyOf = (logits: Rows, labels: ArrayLike<number>): number =>
  logits.reduce((sum, row, b) => sum - logSoftmax(row)[labels[b]!]!, 0) / logits.length;

/** T² times the sum of p (log p - log r) over all entries, divided by their number; p, r: softmax of logits / T. */
export function klOf(p: Rows, r: Rows, temperature = 1): number {
  let sum = 0;
  for (const [b, row] of p.entries()) {
    const lp = logSoftmax(row.map((v) => v / temperature));
    const lr = logSoftmax(r[b]!.map((v) => v / temperature));
    for (const [c, log] of lp.entries()) sum += Math.exp(log) * (log - lr[c]!);
  }
  return (temperature ** 2 * sum) / (p.length * p[0]!.length);
}

/** Mean of |a - b| over all entries. */
export const l1Of = (a: Rows, b: Rows): number => meanOf(a, b, Math.abs);

/** Mean of (a - b)² over all entries. */
export const mseOf = (a: Rows, b: Rows): number => meanOf(a, b, (d) => d * d);

function meanOf(a: Rows, b: Rows, of: (difference: number) => number): number {
  const sum = a.reduce((total, row, r) => row.reduce((part, v, i) => part + of(v - b[r]![i]!), total), 0);
  return sum / (a.length * a[0]!.length);
}
