import { describe, expect, it } from 'vitest';
import { lineChart, ticks } from '../../../models/runs/lineChart.js';
import type { Metrics } from '../../../models/runs/lineFile.js';
import { chartsOf, reportHtml } from '../../../models/runs/report.js';

const metrics: Metrics[] = [
  { epoch: 1, step: 1, rate: 0.1, loss: 4 },
  { epoch: 1, step: 2, rate: 0.1, loss: 2 },
  { epoch: 1, selectionAccuracy: 25 },
  { epoch: 2, step: 1, rate: 0.2, loss: 1 },
  { epoch: 2, step: 2, rate: 0.2, loss: 2 },
  { epoch: 2, selectionAccuracy: 50 },
];

describe('chartsOf', () => {
  it('has a chart for each quantity, over epochs, with the mean of each', () => {
    const [rate, loss, accuracy, ...others] = chartsOf(metrics);
    expect(others).toEqual([]);
    expect(rate!.title).toBe('learning rate');
    expect(loss).toMatchObject({
      title: 'loss',
      values: [
        { x: 0.5, y: 4 },
        { x: 1, y: 2 },
        { x: 1.5, y: 1 },
        { x: 2, y: 2 },
      ],
      means: [
        { x: 1, y: 3 },
        { x: 2, y: 1.5 },
      ],
    });
    expect(accuracy).toMatchObject({
      unit: '%',
      values: [
        { x: 1, y: 25 },
        { x: 2, y: 50 },
      ],
    });
  });
});

describe('ticks', () => {
  it.each([
    [0, 10, 5, [0, 2, 4, 6, 8, 10]],
    [0.13, 0.71, 4, [0.2, 0.4, 0.6]],
    [-3, 12, 3, [0, 5, 10]],
    [990, 1010, 4, [990, 995, 1000, 1005, 1010]],
  ])('of %d to %d in about %d parts', (low, high, count, expected) => {
    expect(ticks(low, high, count)).toEqual(expected);
  });
});

describe('lineChart', () => {
  const chart = { title: 'a', means: [], xLabel: 'epochs' };
  it('puts the ends of a line at the ends of the axes', () => {
    const svg = lineChart({ ...chart, values: [0, 50, 100].map((y, i) => ({ x: i, y })) });
    // 420 x 220 with margins of 58, 12, 30 and 34: the plot spans 58..408 and 30..186; y has a pad of 6 above.
    expect(svg).toContain('class="values" d="M58.0 186.0L233.0 112.4L408.0 38.8"');
  });

  it('is finite for a single value, and for one that never changes', () => {
    for (const values of [[{ x: 1, y: 0 }], [1, 2].map((x) => ({ x, y: 0.005 }))])
      expect(lineChart({ ...chart, values })).not.toMatch(/NaN|Infinity/);
  });
});

describe('reportHtml', () => {
  const content = { title: 'Stage 2', config: 'data: <b>"x"</b>\n', metrics, timing: [], adapter: 'a & b' };
  it('quotes what it is given, and loads nothing from elsewhere', () => {
    const html = reportHtml(content);
    expect(html).toContain('data: &#60;b&#62;&#34;x&#34;&#60;/b&#62;');
    expect(html).toContain('on a &#38; b;');
    expect(html).not.toMatch(/https?:|src=|<script|<link/);
    expect(html.match(/<svg/g)).toHaveLength(3);
  });

  it('shows the speed of each epoch', () => {
    const waits = { decode: 0.25, host: 0.05, gpu: 0.7 };
    const line = { epoch: 1, imagesPerSecond: 50, msPerStep: 200, gflops: 20, peakShare: 0.25, waits };
    const html = reportHtml({ ...content, timing: [line] });
    const cells = ['1', '50', '200', '20', '25.0 %', '70.0 %', '25.0 %', '5.0 %'];
    expect(html).toContain(`<tr>${cells.map((cell) => `<td>${cell}</td>`).join('')}</tr>`);
  });

  it('has dashes where a damaged line says nothing of use', () => {
    for (const line of [{}, { epoch: '1', waits: null, gflops: [] }, { waits: 'x', peakShare: '' }]) {
      const html = reportHtml({ ...content, timing: [line] });
      expect(html).toContain(`<tr>${'<td>–</td>'.repeat(8)}</tr>`);
    }
  });
});
