/** The report of an evaluation: what models answered for the test images, before and after training. */
import type { Accuracy } from '../models/promptkd/shared/evaluate.js';
import type { ClassVectorRows } from '../models/promptkd/shared/logits.js';
import type { Outcome } from '../models/promptkd/use/outcomes.js';
import type { RunRecord } from '../models/runs/lineFile.js';
import { Charts } from './charts.js';
import { classSection } from './classSection.js';
import { confusionFigure, similarityFigure } from './matrices.js';
import { escapeHtml, page, rounded, section, signed, table, tendency } from './page.js';
import { photoSection, type Thumbnails } from './photos.js';
import { ACCURACIES, runSections } from './runReport.js';

/** A model's answers for the test images. */
export interface Examined {
  readonly name: string;
  readonly accuracy: Accuracy;
  readonly outcomes: readonly Outcome[];
  /** What it compares images with. */
  readonly classes?: ClassVectorRows;
}

/** A model of the report. */
export interface ReportedModel extends Examined {
  /** The model that it was made of, such as plain CLIP. */
  readonly before?: Examined;
  /** Of its training, where it is a run. */
  readonly record?: RunRecord;
}

/** What the report shows. */
export interface EvaluationContent {
  readonly title: string;
  /** Name of the data set. */
  readonly data: string;
  readonly adapter: string;
  readonly classNames: readonly string[];
  /** The test images that outcomes point to. */
  readonly images: readonly { readonly path: string }[];
  readonly models: readonly ReportedModel[];
  readonly thumbnail?: Thumbnails;
}

/** Models that are shown in detail, so that a page stays small; the table has all. */
const DETAILED = 4;

/** The page, with charts and pictures inside. */
export async function evaluationHtml(content: EvaluationContent): Promise<string> {
  const { title, data, adapter, models, classNames } = content;
  const charts = await Charts.open();
  const count = models[0]?.outcomes.length ?? 0;
  const about = `${count} test images of ${classNames.length} classes (${data}), on ${adapter}`;
  const headlines = models.map((model) => headline(model, models.length > 1));
  const body = [section('Accuracy', ACCURACY, headlines.join('') + accuracyTable(models))];
  for (const model of models.slice(0, DETAILED)) body.push(...(await modelSections(charts, content, model)));
  const hidden = models.length - DETAILED;
  if (hidden > 0)
    body.push(
      section(
        'Other models',
        hidden === 1
          ? '1 more model is only in the table; evaluate it separately.'
          : `${hidden} more models are only in the table; evaluate them separately.`,
        ' ',
      ),
    );
  return page(title, about, body);
}

const ACCURACY =
  'Percent of test images. Base and novel: images of one half of the classes among the classes of that half. Before: plain CLIP, ' +
  'zero-shot, with the same class prompts.';

async function modelSections(
  charts: Charts,
  content: EvaluationContent,
  model: ReportedModel,
): Promise<string[]> {
  const { classNames, models } = content;
  const of = models.length > 1 ? `: ${model.name}` : '';
  const matrices =
    confusionFigure(charts, classNames, model.outcomes) + similarityFigure(charts, classNames, model.classes);
  return [
    classSection(charts, classNames, model, of),
    section(
      `What is taken for what${of}`,
      'Rows: the class of the images. Columns: what the model says, among all classes. The stronger the colour, the more of the row; red: mistakes.',
      matrices,
    ),
    await photoSection(content, model, of),
    ...(model.record
      ? runSections(charts, model.record).map((part) => part.replace('</h2>', `${escapeHtml(of)}</h2>`))
      : []),
  ];
}

const difference = (after: number | undefined, before: number | undefined): number | undefined =>
  after === undefined || before === undefined ? undefined : after - before;

function headline({ name, accuracy, before }: ReportedModel, named: boolean): string {
  const tiles = ACCURACIES.map(([field, title]) => {
    const change = difference(accuracy[field], before?.accuracy[field]);
    const shown = before
      ? `<i class="${tendency(change)}">${signed(change)}</i><span>was ${rounded(before.accuracy[field])}</span>`
      : '';
    return `<div class="tile"><span>${title}</span><b>${rounded(accuracy[field])}</b>${shown}</div>`;
  });
  return `${named ? `<h3>${escapeHtml(name)}</h3>` : ''}<div class="tiles">${tiles.join('')}</div>`;
}

function accuracyTable(models: readonly ReportedModel[]): string {
  const all: Examined[] = [];
  for (const { before, ...model } of models) {
    if (before && !all.some(({ name }) => name === before.name)) all.push(before);
    all.push(model);
  }
  return table(
    ['model', 'base', 'novel', 'HM', 'all'],
    all.map(({ name, accuracy }) => [name, ...ACCURACIES.map(([field]) => rounded(accuracy[field]))]),
  );
}
