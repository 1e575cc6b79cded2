/** Squares of classes: the confusion matrix, and how alike class vectors are. */
import { percent } from '../models/numbers.js';
import type { ClassVectorRows } from '../models/promptkd/shared/logits.js';
import type { Outcome } from '../models/promptkd/use/outcomes.js';
import type { Charts } from './charts.js';
import { beside, figure, table } from './page.js';
import { confusions } from './statistics.js';

/** Classes on a side: more are unreadable, and make a page large. */
const MOST_CLASSES = 40;
/** Rows of a table. */
const MOST_PAIRS = 12;

/** The confusion matrix, and the most frequent mistakes as a table. */
export function confusionFigure(
  charts: Charts,
  classNames: readonly string[],
  outcomes: readonly Outcome[],
): string {
  const cells = confusions(outcomes);
  const mistakes = cells
    .filter(({ label, predicted }) => label !== predicted)
    .sort((a, b) => b.images - a.images || b.share - a.share || a.label - b.label);
  const involved = new Float64Array(classNames.length);
  for (const { label, predicted, images } of mistakes) {
    involved[label]! += images;
    involved[predicted]! += images;
  }
  const shown = heaviest(involved);
  const drawn = cells.filter(({ label, predicted }) => shown.has(label) && shown.has(predicted));
  const names = unique(classNames);
  const chart = charts.matrix(
    'confusion matrix',
    names.filter((_, label) => shown.has(label)),
    drawn.map(({ label, predicted, images, share }) => ({
      ...{ row: names[label]!, column: names[predicted]!, marked: label !== predicted },
      value: label === predicted ? share : 0.3 + 0.7 * share,
      title: `${classNames[label]} taken for ${classNames[predicted]}: ${images}`,
    })),
  );
  const pairs = table(
    ['images of', 'taken for', 'images', 'share'],
    mistakes
      .slice(0, MOST_PAIRS)
      .map(({ label, predicted, images, share }) => [
        classNames[label]!,
        classNames[predicted]!,
        String(images),
        percent(share, 0),
      ]),
    { text: 2 },
  );
  const some = shown.size < classNames.length ? `the ${shown.size} classes with most mistakes` : '';
  return beside(
    figure('Confusion matrix', `<div class="wide">${chart}</div>`, some),
    mistakes.length > 0 ? figure('Most frequent mistakes', pairs) : '',
  );
}

/** How alike class vectors are, as cosines, and the pairs that are most alike; nothing without class vectors. */
export function similarityFigure(
  charts: Charts,
  classNames: readonly string[],
  classes: ClassVectorRows | undefined,
): string {
  if (!classes || classNames.length < 2) return '';
  const { count } = classes;
  const closest: { a: number; b: number; cosine: number }[] = [];
  let least = 1;
  const nearest = new Float64Array(count).fill(-1);
  for (let a = 0; a < count; a++)
    for (let b = 0; b < a; b++) {
      const cosine = cosineOf(classes, a, b);
      least = Math.min(least, cosine);
      nearest[a] = Math.max(nearest[a]!, cosine);
      nearest[b] = Math.max(nearest[b]!, cosine);
      closest.push({ a, b, cosine });
      if (closest.length >= 4096) keepLargest(closest);
    }
  keepLargest(closest);
  const names = unique(classNames);
  const labels = [...heaviest(nearest)].sort((a, b) => a - b);
  const largest = closest[0]!.cosine;
  const cell = (a: number, b: number) => {
    const cosine = cosineOf(classes, a, b);
    return {
      ...{ row: names[a]!, column: names[b]! },
      title: `${classNames[a]} and ${classNames[b]}: ${cosine.toFixed(2)}`,
      value: 0.04 + 0.96 * ((cosine - least) / (largest - least || 1)) ** 2,
    };
  };
  const chart = charts.matrix(
    'similarity of class vectors',
    labels.map((label) => names[label]!),
    labels.flatMap((a) => labels.filter((b) => b < a).map((b) => cell(a, b))),
  );
  const pairs = table(
    ['class', 'most like', 'cosine'],
    closest
      .slice(0, MOST_PAIRS)
      .map(({ a, b, cosine }) => [classNames[b]!, classNames[a]!, cosine.toFixed(3)]),
    { text: 2 },
  );
  const some = labels.length < count ? `; the ${labels.length} classes with the closest neighbours` : '';
  const range = `cosines from ${least.toFixed(2)} to ${largest.toFixed(2)}${some}`;
  return beside(
    figure('Similarity of class vectors', `<div class="wide">${chart}</div>`, range),
    figure('Class vectors that are most alike', pairs),
  );
}

function cosineOf({ vectors, embed }: ClassVectorRows, a: number, b: number): number {
  let sum = 0;
  for (let i = 0; i < embed; i++) sum += vectors[a * embed + i]! * vectors[b * embed + i]!;
  return sum;
}

function keepLargest(pairs: { a: number; b: number; cosine: number }[]): void {
  pairs.sort((one, other) => other.cosine - one.cosine || one.a - other.a || one.b - other.b);
  pairs.length = Math.min(pairs.length, MOST_PAIRS);
}

/** The classes that weigh most, as many as fit; the lower label where several are equal. */
function heaviest(weights: Float64Array): ReadonlySet<number> {
  const order = Array.from(weights.keys()).sort((a, b) => weights[b]! - weights[a]! || a - b);
  return new Set(order.slice(0, MOST_CLASSES));
}

/** Names for the axes of a chart, which must differ. */
const unique = (names: readonly string[]): string[] =>
  names.map((name, i) => (names.indexOf(name) === i ? name : `${name} (${i + 1})`));
