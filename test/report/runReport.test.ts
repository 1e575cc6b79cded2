import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Metrics } from '../../models/runs/lineFile.js';
import { thinned } from '../../report/charts.js';
import { curvesOf, reportHtml } from '../../report/runReport.js';
import { expectOffline, expectWellFormed } from '../helpers/html.js';

const metrics: Metrics[] = [
  { epoch: 1, step: 1, rate: 0.1, loss: 4 },
  { epoch: 1, step: 2, rate: 0.1, loss: 2 },
  { epoch: 1, selectionAccuracy: 25 },
  { epoch: 2, step: 1, rate: 0.2, loss: 1 },
  { epoch: 2, step: 2, rate: 0.2, loss: 2 },
  { epoch: 2, selectionAccuracy: 50 },
];

describe('curvesOf', () => {
  it('has a curve for each quantity, over epochs, with the mean of each', () => {
    const [loss, accuracy, rate, ...others] = curvesOf(metrics);
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

  it('shows a loss of a single term once', () => {
    const curves = curvesOf([{ epoch: 1, step: 1, loss: 3, scl_logits: 3 }]);
    expect(curves.map(({ title }) => title)).toEqual(['logits, KL']);
  });
});

describe('thinned', () => {
  it('keeps the extremes, the order, and no more points than it may', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -1000, max: 1000 }), { minLength: 1, maxLength: 500 }), (ys) => {
        const points = ys.map((y, x) => ({ x, y }));
        const kept = thinned(points, 50);
        expect(kept.length).toBeLessThanOrEqual(Math.max(50, 1));
        const values = kept.map(({ y }) => y);
        expect([Math.min(...values), Math.max(...values)]).toEqual([Math.min(...ys), Math.max(...ys)]);
        const xs = kept.map(({ x }) => x);
        expect(xs).toEqual([...xs].sort((a, b) => a - b));
      }),
    );
  });
});

describe('reportHtml', () => {
  const content = { title: 'Stage 2', config: 'data: <b>"x"</b>\n', metrics, timing: [], adapter: 'a & b' };
  it('quotes what it is given, loads nothing, and is well-formed', async () => {
    const html = await reportHtml(content);
    expect(html).toContain('data: &#60;b&#62;&#34;x&#34;&#60;/b&#62;');
    expect(html).toContain('on a &#38; b.');
    expectOffline(html);
    expectWellFormed(html);
    expect(html.match(/<svg/g)).toHaveLength(3);
    expect(await reportHtml(content)).toBe(html);
  });

  it('shows accuracies by epoch in one chart with their numbers, and no such section without them', async () => {
    expect(await reportHtml(content)).not.toContain('Accuracy by epoch');
    const looks: Metrics[] = [
      { epoch: 1, base: 50, novel: 25, harmonicMean: 33.3333, all: 12.5 },
      { epoch: 2, base: 62.5, all: 50 },
    ];
    const html = await reportHtml({ ...content, metrics: [...metrics, ...looks] });
    expectWellFormed(html);
    expect(html.match(/<svg/g)).toHaveLength(4);
    const cells = (texts: string[]) => texts.map((text) => `<td>${text}</td>`).join('');
    expect(html).toContain(`<td class="text">1</td>${cells(['50.0', '25.0', '33.3', '12.5'])}</tr>`);
    expect(html).toContain(`<td class="text">2</td>${cells(['62.5', '–', '–', '50.0'])}</tr>`);
  });

  it('is finite for a single value, and for one that never changes', async () => {
    for (const lines of [metrics.slice(0, 1), [1, 2].map((epoch) => ({ epoch, step: 1, loss: 0.005 }))])
      expect(await reportHtml({ ...content, metrics: lines })).not.toMatch(/NaN|Infinity/);
  });

  it('shows the speed of each epoch', async () => {
    const waits = { decode: 0.25, host: 0.05, gpu: 0.7 };
    const line = {
      epoch: 1,
      seconds: 8,
      imagesPerSecond: 50,
      msPerStep: 200,
      gflops: 20,
      peakShare: 0.25,
      waits,
    };
    const html = await reportHtml({ ...content, timing: [line] });
    const cells = ['50', '200', '20', '25.0 %', '70.0 %', '25.0 %', '5.0 %'];
    expect(html).toContain(`<td class="text">1</td>${cells.map((cell) => `<td>${cell}</td>`).join('')}</tr>`);
    expect(html.match(/<svg/g)).toHaveLength(4);
  });

  it('has dashes where a damaged line says nothing of use', async () => {
    for (const line of [{}, { epoch: '1', waits: null, gflops: [] }, { waits: 'x', peakShare: '' }]) {
      const html = await reportHtml({ ...content, timing: [line] });
      expect(html).toContain(`<tr><td class="text">–</td>${'<td>–</td>'.repeat(7)}</tr>`);
    }
  });

  it('stays small for a long run', async () => {
    const long = Array.from({ length: 60_000 }, (_, i) => ({
      ...{ epoch: 1 + Math.floor(i / 3000), step: 1 + (i % 3000), rate: 0.1, loss: 1 + Math.sin(i) / 2 },
    }));
    expect((await reportHtml({ ...content, metrics: long })).length).toBeLessThan(200_000);
  });
});
