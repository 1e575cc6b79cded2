/** `report.html` of a run: losses, speed and settings in one self-contained page. */

import { percent } from '../numbers.js';
import { type ChartData, escapeHtml, lineChart } from './lineChart.js';
import type { Metrics } from './lineFile.js';

/** What a report shows. */
export interface ReportContent {
  readonly title: string;
  /** The text of config.yaml. */
  readonly config: string;
  /** The lines of metrics.jsonl. */
  readonly metrics: readonly Metrics[];
  /** The lines of timing.jsonl. */
  readonly timing: readonly Readonly<Record<string, unknown>>[];
  readonly adapter: string;
}

/** The fields of a metrics line that are no quantities. */
const COORDINATES = new Set(['epoch', 'step']);
const TITLES: Readonly<Record<string, string>> = {
  loss: 'loss',
  ce: 'cross-entropy',
  scl_text: 'text features, weighted L1',
  scl_image: 'image features, weighted L1',
  scl_logits: 'logits, KL',
  rate: 'learning rate',
  selectionAccuracy: 'accuracy that selects the epoch',
};

const STYLE = `
:root { color-scheme: light dark; --ink: #1c2330; --dim: #667085; --line: #e3e6eb; --thin: #9db8dd; --bold: #1f5fae; --ground: #fff; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e9ef; --dim: #98a1b0; --line: #2c333f; --thin: #3d5f8f; --bold: #7db2f5; --ground: #14181f; }
}
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--ground); max-width: 960px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; margin: 0; } h2 { font-size: 1.05rem; margin: 2rem 0 0.5rem; } p { color: var(--dim); margin: 0.2rem 0; }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(380px, 1fr)); gap: 1rem; }
svg { width: 100%; height: auto; } .title { font-weight: 600; font-size: 13px; fill: var(--ink); }
.tick { font-size: 11px; fill: var(--dim); } .grid { stroke: var(--line); } .values { fill: none; stroke: var(--thin); }
.means { fill: none; stroke: var(--bold); stroke-width: 2; } .dot { fill: var(--bold); }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; } th, td { padding: 0.15rem 0.9rem 0.15rem 0; text-align: right; border-bottom: 1px solid var(--line); }
th { color: var(--dim); font-weight: 500; } pre { background: color-mix(in srgb, var(--line) 40%, transparent); padding: 0.8rem; overflow-x: auto; font-size: 13px; }
`;

/** The page, with styles and charts inside. */
export function reportHtml({ title, config, metrics, timing, adapter }: ReportContent): string {
  const charts = chartsOf(metrics).map(lineChart);
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escapeHtml(title)}</title><style>${STYLE}</style></head><body>
<h1>${escapeHtml(title)}</h1><p>on ${escapeHtml(adapter)}; thin: each update, bold: the mean of each epoch</p>
<div class="charts">${charts.join('\n')}</div>
${timing.length === 0 ? '' : `<h2>Speed</h2>${timingTable(timing)}`}
<h2>Settings</h2><pre>${escapeHtml(config)}</pre>
</body></html>
`;
}

/** A chart for every quantity of the metrics, in the order in which they first appear. */
export function chartsOf(metrics: readonly Metrics[]): ChartData[] {
  const names = [...new Set(metrics.flatMap(Object.keys))].filter((name) => !COORDINATES.has(name));
  const perEpoch = Math.max(1, ...metrics.map(({ step }) => Number(step ?? 0)));
  return names.flatMap((name): ChartData[] => {
    const lines = metrics.filter((line) => typeof line[name] === 'number');
    if (lines.length === 0) return [];
    // In epochs, so that the axes of all charts agree; what has no step was found at an epoch's end.
    const values = lines.map((line) => ({
      x: Number(line.epoch) - 1 + Number(line.step ?? perEpoch) / perEpoch,
      y: line[name] as number,
    }));
    const epochs = [...new Set(lines.map(({ epoch }) => Number(epoch)))];
    const means = epochs.map((epoch) => {
      const found = lines.filter((line) => line.epoch === epoch).map((line) => line[name] as number);
      return { x: epoch, y: found.reduce((sum, y) => sum + y, 0) / found.length };
    });
    const unit = name === 'selectionAccuracy' ? '%' : undefined;
    return [{ title: TITLES[name] ?? name, unit, values, means, xLabel: 'epochs' }];
  });
}

/** timing.jsonl has no checksum and may hold anything: what is not a number becomes a dash. */
function timingTable(timing: ReportContent['timing']): string {
  const number = (value: unknown) => (typeof value === 'number' ? value : '–');
  const share = (value: unknown) => (typeof value === 'number' ? percent(value, 1) : '–');
  const rows = timing.map((line) => {
    const waits = (line.waits ?? {}) as Readonly<Record<string, unknown>>;
    const cells = [
      ...[line.epoch, line.imagesPerSecond, line.msPerStep, line.gflops].map(number),
      share(line.peakShare),
    ];
    const shares = [waits.gpu, waits.decode, waits.host].map(share);
    return `<tr>${[...cells, ...shares].map((cell) => `<td>${escapeHtml(String(cell))}</td>`).join('')}</tr>`;
  });
  const heads = ['epoch', 'images/s', 'ms a step', 'GFLOP/s', 'of measured peak', 'GPU', 'images', 'host'];
  return `<table><tr>${heads.map((head) => `<th>${head}</th>`).join('')}</tr>${rows.join('')}</table>`;
}
