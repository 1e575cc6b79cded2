/** A small line chart as SVG text: one quantity over the steps of a run, and its mean over each epoch. */

/** A value `y` at `x`. */
export interface Point {
  readonly x: number;
  readonly y: number;
}

/** What a chart shows. */
export interface ChartData {
  readonly title: string;
  readonly unit?: string;
  /** Every value, drawn thin. */
  readonly values: readonly Point[];
  /** Means, drawn bold on top. */
  readonly means: readonly Point[];
  readonly xLabel: string;
}

const [WIDTH, HEIGHT] = [420, 220];
const MARGIN = { left: 58, right: 12, top: 30, bottom: 34 };

/** Text for HTML and SVG. */
export const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

/** Round numbers that divide a range into about `count` parts, from the first one in it to the last. */
export function ticks(low: number, high: number, count: number): number[] {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough)!;
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

/** The range of some values, a little wider; never empty. */
function range(values: readonly number[]): [number, number] {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of values) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  const pad = (high - low) * 0.06 || Math.abs(high) * 0.1 || 1;
  // A quantity that is never negative starts at 0 rather than a little below.
  return [low >= 0 ? Math.max(0, low - pad) : low - pad, high + pad];
}

/** The chart as an SVG element. `values` must not be empty. */
export function lineChart({ title, unit = '', values, means, xLabel }: ChartData): string {
  const xs = values.map(({ x }) => x);
  const [x0, x1] = [Math.min(0, xs[0]!), Math.max(xs[xs.length - 1]!, 1)];
  const [y0, y1] = range(values.map(({ y }) => y));
  const inner = { width: WIDTH - MARGIN.left - MARGIN.right, height: HEIGHT - MARGIN.top - MARGIN.bottom };
  const across = (x: number) => (MARGIN.left + ((x - x0) / (x1 - x0)) * inner.width).toFixed(1);
  const down = (y: number) => (MARGIN.top + (1 - (y - y0) / (y1 - y0)) * inner.height).toFixed(1);
  const path = (points: readonly Point[]) =>
    points.map(({ x, y }, i) => `${i === 0 ? 'M' : 'L'}${across(x)} ${down(y)}`).join('');
  const horizontal = ticks(y0, y1, 4).map(
    (y) =>
      `<path class="grid" d="M${MARGIN.left} ${down(y)}h${inner.width}"/>` +
      `<text class="tick" x="${MARGIN.left - 6}" y="${down(y)}" dy="0.32em" text-anchor="end">${y}</text>`,
  );
  const bottom = HEIGHT - MARGIN.bottom;
  const vertical = ticks(x0, x1, 5).map(
    (x) => `<text class="tick" x="${across(x)}" y="${bottom + 15}" text-anchor="middle">${x}</text>`,
  );
  const dots = means.map(({ x, y }) => `<circle class="dot" cx="${across(x)}" cy="${down(y)}" r="2.5"/>`);
  return (
    `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escapeHtml(title)}">` +
    `<text class="title" x="${MARGIN.left}" y="17">${escapeHtml(title)}${unit && ` (${escapeHtml(unit)})`}</text>` +
    horizontal.join('') +
    vertical.join('') +
    `<text class="tick" x="${WIDTH - MARGIN.right}" y="${HEIGHT - 4}" text-anchor="end">${escapeHtml(xLabel)}</text>` +
    `<path class="values" d="${path(values)}"/><path class="means" d="${path(means)}"/>${dots.join('')}</svg>`
  );
}
