/** Accuracy per class, before and after. */
import type { Outcome } from '../models/promptkd/use/outcomes.js';
import { type Charts, legend } from './charts.js';
import { details, figure, rounded, section, signed, table, tendency } from './page.js';
import { type ClassResult, changedMost, classResults } from './statistics.js';

/** Rows of a chart. */
const MOST_ROWS = 20;

/** The section, for a model with or without one to compare it with. `of` follows its title. */
export function classSection(
  charts: Charts,
  classNames: readonly string[],
  {
    outcomes,
    before,
  }: { readonly outcomes: readonly Outcome[]; readonly before?: { readonly outcomes: readonly Outcome[] } },
  of = '',
): string {
  const results = classResults(classNames.length, outcomes, before?.outcomes).filter(
    ({ images }) => images > 0,
  );
  const chartOf = (title: string, label: string, some: readonly ClassResult[]) => {
    const rows = some
      .slice(0, MOST_ROWS)
      .map(({ label, before, after }) => ({ name: classNames[label]!, before, after: after! }));
    return rows.length === 0 ? '' : figure(title, charts.changes(label, rows));
  };
  const changed = changedMost(results, results.length);
  const gained = changed.filter(({ change }) => change! > 0);
  const lost = changed.filter(({ change }) => change! < 0);
  const dots = legend(['before', 'after'], ['var(--before)', 'var(--after)']);
  const worst = [...results].sort((a, b) => a.after! - b.after! || a.label - b.label);
  const chart = before
    ? `${dots}<div class="grid">${chartOf('Gained most', 'classes that gained most', gained)}` +
      `${chartOf('Lost most', 'classes that lost most', lost)}</div>`
    : chartOf('Hardest classes', 'the hardest classes', worst);
  const stayed = results.filter(({ change }) => change === 0).length;
  const about = before
    ? `${gained.length} classes gained, ${lost.length} lost, ${stayed} stayed. Percent of the images of a ` +
      'class that are right within its half, base or novel, whose means over images are the accuracies above.'
    : 'Percent of the images of a class that are right within its half, base or novel.';
  return section(
    `Accuracy by class${of}`,
    about,
    chart + details('all classes', classTable(classNames, results, before !== undefined)),
  );
}

function classTable(
  classNames: readonly string[],
  results: readonly ClassResult[],
  compared: boolean,
): string {
  return table(
    ['class', 'images', ...(compared ? ['before', 'after', 'change'] : ['right'])],
    results.map(({ label, images, before, after, change }) => [
      classNames[label]!,
      String(images),
      ...(compared ? [rounded(before)] : []),
      rounded(after),
      ...(compared ? [{ html: `<span class="${tendency(change)}">${signed(change)}</span>` }] : []),
    ]),
  );
}
