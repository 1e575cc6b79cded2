/**
 * Charts of reports as SVG text, drawn by Observable Plot into a document of linkedom's. Colours are CSS variables of the page, so
 * a chart follows its light or dark scheme.
 */
import type * as Plot from '@observablehq/plot';

/** A value `y` at `x`; `series` where a chart has several. */
export interface Point {
  readonly x: number;
  readonly y: number;
  readonly series?: string;
}

/** A chart's points at most: more are thinned. */
const MOST_POINTS = 600;

/** The frame of a chart over epochs. */
const FRAME = { width: 420, height: 200, marginLeft: 48, marginRight: 8, marginTop: 12, marginBottom: 30 };

/** What draws charts; the libraries are loaded when the first report is made, not when a command starts. */
export class Charts {
  private constructor(
    private readonly plot: typeof Plot,
    private readonly document: unknown,
  ) {}

  /** Loads the libraries. */
  static async open(): Promise<Charts> {
    const [plot, { parseHTML }] = await Promise.all([import('@observablehq/plot'), import('linkedom')]);
    return new Charts(plot, parseHTML('<!doctype html><html><body></body></html>').document);
  }

  /** A quantity over a run: every value thin, the means of epochs bold. */
  lines(label: string, values: readonly Point[], means: readonly Point[], unit = ''): string {
    const { plot } = this;
    const numbers = values.map(({ y }) => y);
    const [low, high] = [Math.min(...numbers), Math.max(...numbers)];
    return this.svg(label, {
      ...FRAME,
      x: epochs(values),
      y: { label: unit || null, ticks: 4, grid: true, nice: true, zero: low >= 0 && high > 3 * low },
      marks: [
        plot.line(thinned(values), { x: 'x', y: 'y', stroke: 'var(--before)', strokeWidth: 0.9 }),
        plot.line(means, { x: 'x', y: 'y', stroke: 'var(--after)', strokeWidth: 2 }),
        ...(means.length <= 40 ? [plot.dot(means, { x: 'x', y: 'y', r: 2.3, fill: 'var(--after)' })] : []),
      ],
    });
  }

  /** Several runs over epochs, a colour each. */
  series(label: string, points: readonly Point[], names: readonly string[], unit = ''): string {
    const { plot } = this;
    return this.svg(label, {
      ...FRAME,
      height: 210,
      x: epochs(points),
      y: { label: unit || null, ticks: 4, grid: true, nice: true },
      color: colourScale(names),
      marks: [
        plot.line(points, { x: 'x', y: 'y', z: 'series', stroke: 'series', strokeWidth: 1.6 }),
        // A line of one point cannot be seen.
        ...(points.length <= 80 ? [plot.dot(points, { x: 'x', y: 'y', r: 2.3, fill: 'series' })] : []),
      ],
    });
  }

  /** A row each: a light dot before, a dark one after, and what lies between them. Values in percent. */
  changes(
    label: string,
    rows: readonly { readonly name: string; readonly before?: number; readonly after: number }[],
  ): string {
    const { plot } = this;
    const both = rows.filter(({ before }) => before !== undefined);
    const longest = Math.max(...rows.map(({ name }) => name.length));
    return this.svg(label, {
      ...{ width: 460, height: 34 + rows.length * 17, marginTop: 4, marginBottom: 30, marginRight: 14 },
      marginLeft: Math.min(170, 14 + longest * 6),
      x: { label: '% right', domain: [0, 100], ticks: 5, grid: true },
      y: { label: null, domain: rows.map(({ name }) => name), tickSize: 0 },
      marks: [
        plot.link(both, {
          ...{ x1: 'before', x2: 'after', y: 'name', strokeWidth: 2.5, strokeOpacity: 0.75 },
          stroke: (row: { before: number; after: number }) =>
            row.after >= row.before ? 'var(--better)' : 'var(--worse)',
        }),
        plot.dot(both, { x: 'before', y: 'name', r: 3.2, fill: 'var(--before)' }),
        plot.dot(rows, { x: 'after', y: 'name', r: 3.6, fill: 'var(--after)' }),
      ],
    });
  }

  /** A square of cells whose opacity is their value in 0..1; `marked` cells get the second colour. */
  matrix(
    label: string,
    names: readonly string[],
    cells: readonly {
      readonly row: string;
      readonly column: string;
      readonly value: number;
      readonly title: string;
      readonly marked?: boolean;
    }[],
  ): string {
    const { plot } = this;
    const longest = Math.max(...names.map((name) => name.length));
    const room = Math.min(150, 16 + longest * 5.6);
    const side = Math.max(150, names.length * 15);
    const svg = this.svg(label, {
      ...{ width: side + room + 12, height: side + room + 12, marginLeft: room, marginBottom: room },
      ...{ marginTop: 6, marginRight: 6, padding: 0.06 },
      x: { domain: [...names], label: null, tickRotate: -60, tickSize: 0 },
      y: { domain: [...names], label: null, tickSize: 0 },
      opacity: { type: 'identity' },
      marks: [
        plot.frame({ stroke: 'var(--line)' }),
        plot.cell(cells, {
          ...{ x: 'column', y: 'row', rx: 1, title: 'title' },
          fillOpacity: (cell: { value: number }) => Number(cell.value.toFixed(2)),
          fill: (cell: { marked?: boolean }) => (cell.marked ? 'var(--worse)' : 'var(--after)'),
        }),
      ],
    });
    return svg.replace(/class="([^"]*)"/, 'class="$1 matrix"');
  }

  /** Seconds of each epoch, divided into parts. */
  stacked(
    label: string,
    parts: readonly { readonly x: number; readonly y: number; readonly part: string }[],
    names: readonly string[],
  ): string {
    const { plot } = this;
    const last = Math.max(...parts.map(({ x }) => x));
    return this.svg(label, {
      ...FRAME,
      height: 190,
      x: {
        label: 'epoch',
        type: 'band',
        tickFormat: (x: number) => (last <= 12 || x % Math.ceil(last / 10) === 0 ? String(x) : ''),
        tickSize: 0,
      },
      y: { label: 'seconds', ticks: 4, grid: true },
      color: colourScale(names),
      marks: [plot.barY(parts, { x: 'x', y: 'y', fill: 'part', insetLeft: 0.5, insetRight: 0.5 })],
    });
  }

  private svg(label: string, options: Plot.PlotOptions): string {
    const drawn = this.plot.plot({
      ...options,
      className: 'plot',
      style: { background: 'none' },
      ariaLabel: label,
      document: this.document as Plot.PlotOptions['document'],
    });
    const text = String((drawn as unknown as { outerHTML: string }).outerHTML);
    // The style that Plot puts into each drawing is part of the page's; coordinates need no more than a hundredth of a pixel.
    return text
      .replace(/<style>[\s\S]*?<\/style>/, '')
      .replace(/ style="[^"]*background[^"]*"/, '')
      .replace('<svg ', '<svg role="img" ')
      .replace(/ (?:d|x|y|x1|x2|y1|y2|cx|cy|width|height|transform)="[^"]*"/g, (attribute) =>
        attribute.replace(/(\.\d{2})\d+/g, '$1'),
      );
  }
}

/** The colours of series, in order: the page's style has six. */
const coloursOf = (names: readonly string[]): string[] => names.map((_, i) => `var(--s${(i % 6) + 1})`);

const colourScale = (names: readonly string[]): Plot.ScaleOptions => ({
  type: 'ordinal',
  domain: [...names],
  range: coloursOf(names),
});

/** A legend: a dot of its colour before each name. Names must be escaped. */
export const legend = (names: readonly string[], colours = coloursOf(names)): string =>
  `<div class="legend">${names.map((name, i) => `<span><i style="background:${colours[i]}"></i>${name}</span>`).join('')}</div>`;

/** An axis of epochs, which are whole numbers: a short run must not show halves of them. */
function epochs(points: readonly Point[]): Plot.ScaleOptions {
  const isShort = Math.max(...points.map(({ x }) => x)) < 6;
  const whole = (x: number) => (Number.isInteger(x) ? String(x) : '');
  return { label: 'epochs', ticks: 6, tickFormat: isShort ? whole : undefined };
}

/** The same line with fewer points: of each stretch the smallest and the largest value, in their order. */
export function thinned(points: readonly Point[], most = MOST_POINTS): readonly Point[] {
  if (points.length <= most) return points;
  const stretch = Math.ceil((2 * points.length) / most);
  const kept: Point[] = [];
  for (let start = 0; start < points.length; start += stretch) {
    const some = points.slice(start, start + stretch);
    const low = some.reduce((best, point) => (point.y < best.y ? point : best));
    const high = some.reduce((best, point) => (point.y > best.y ? point : best));
    kept.push(...(low.x < high.x ? [low, high] : low === high ? [low] : [high, low]));
  }
  return kept;
}
