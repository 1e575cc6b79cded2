import { describe, expect, it } from 'vitest';
import { accuracy } from '../../models/promptkd/shared/evaluate.js';
import { outcomesOf } from '../../models/promptkd/use/outcomes.js';
import { Random } from '../../models/random.js';
import { type Examined, evaluationHtml } from '../../report/evaluationReport.js';
import { chosenImages } from '../../report/photos.js';
import { expectOffline, expectWellFormed } from '../helpers/html.js';

/** A made-up model that is right more often the larger `skill` is. */
function model(name: string, classes: number, each: number, skill: number): Examined {
  const random = Random.of(skill, 'report');
  const labels = Array.from({ length: classes * each }, (_, i) => Math.floor(i / each));
  const logits = new Float32Array(labels.length * classes).map(() => 8 * random.random());
  labels.forEach((label, i) => {
    logits[i * classes + label]! += skill;
  });
  const vectors = new Float32Array(classes * 4).map(() => random.random() - 0.5);
  for (let row = 0; row < classes; row++) {
    const some = vectors.subarray(4 * row, 4 * row + 4);
    const length = Math.hypot(...some);
    some.forEach((value, i) => {
      some[i] = value / length;
    });
  }
  return {
    name,
    accuracy: accuracy(logits, labels, classes),
    outcomes: outcomesOf(logits, labels, classes),
    classes: { vectors, count: classes, embed: 4 },
  };
}

const names = (count: number) => Array.from({ length: count }, (_, i) => `class <${i}>`);
const images = (count: number) => Array.from({ length: count }, (_, i) => ({ path: `/images/${i}.png` }));
const record = { config: 'epochs: 1\n', metrics: [{ epoch: 1, step: 1, loss: 2.5 }], timing: [] };

describe('evaluationHtml', () => {
  const content = {
    ...{ title: 'Evaluation', data: 'pets', adapter: 'an adapter', classNames: names(6), images: images(60) },
    models: [{ ...model('student', 6, 10, 4), before: model('plain CLIP', 6, 10, 1), record }],
    thumbnail: async () => Uint8Array.of(255, 216, 255),
  };

  it('has the accuracies before and after, every class, and pictures, and loads nothing', async () => {
    const html = await evaluationHtml(content);
    expectOffline(html);
    expectWellFormed(html);
    const [{ accuracy: after, before }] = content.models as [(typeof content.models)[0]];
    for (const field of ['base', 'novel', 'harmonicMean', 'all'] as const) {
      expect(html).toContain(`<b>${after[field]!.toFixed(1)}</b>`);
      expect(html).toContain(`was ${before.accuracy[field]!.toFixed(1)}`);
    }
    for (let i = 0; i < 6; i++) expect(html).toContain(`<td class="text">class &#60;${i}&#62;</td>`);
    expect(html).not.toMatch(/<class|NaN|Infinity|undefined/);
    expect(html.match(/<img /g)!.length).toBeGreaterThanOrEqual(13);
    for (const title of [
      'Confusion matrix',
      'Similarity of class vectors',
      'Loss by term',
      'Surest mistakes',
    ])
      expect(html).toContain(title);
    expect(await evaluationHtml(content)).toBe(html);
  });

  it('stays below 2 MB for four models of a thousand classes with pictures', async () => {
    const classNames = names(1000);
    const after = model('student', 1000, 3, 6);
    const html = await evaluationHtml({
      ...{ ...content, classNames, images: images(3000) },
      models: ['a', 'b', 'c', 'd', 'e'].map((name) => ({
        ...after,
        name,
        before: model('plain', 1000, 3, 5),
      })),
      thumbnail: async () => new Uint8Array(8000),
    });
    expect(html.length).toBeLessThan(2_000_000);
    expect(html).toContain('1 more model is only in the table; evaluate it separately.');
  });

  it('needs neither a model before nor class vectors, pictures or a record', async () => {
    const { classes: _, ...plain } = model('plain CLIP', 2, 3, 2);
    const html = await evaluationHtml({
      ...{ ...content, classNames: names(2), thumbnail: undefined, models: [plain] },
    });
    expectWellFormed(html);
    expect(html).toContain('Hardest classes');
    expect(html).not.toMatch(/was |<img|Similarity|Settings/);
  });
});

describe('chosenImages', () => {
  it('are the surest and the least sure', () => {
    const answers = [0.9, 0.5, 0.7, 0.99].map((probability, index) => ({
      ...{ index, label: index % 2, predicted: 0, within: 0, top: [{ label: 0, probability }] },
    }));
    const found = Object.values(chosenImages(answers, 2)).map((some) => some.map(({ index }) => index));
    expect(found).toEqual([
      [0, 2],
      [3, 1],
      [1, 2],
    ]);
  });
});
