/** The table of `promptkd reproduce`: our numbers next to the paper's. */
import { fixed } from '../../models/numbers.js';
import type { Compared, Score, Summary } from '../../models/reproduce/summary.js';
import { formatTable } from './table.js';

const COLUMNS: Readonly<Record<Summary['setting'], readonly (readonly [keyof Score, string])[]>> = {
  'base-to-novel': [
    ['base', 'base'],
    ['novel', 'novel'],
    ['harmonicMean', 'HM'],
  ],
  'cross-dataset': [['all', 'all']],
};

/** A table of students and one of teachers: each accuracy with the paper's and the difference. */
export function formatSummary(summary: Summary): string {
  return (['student', 'teacher'] as const).map((part) => `${table(summary, part)}`).join('\n');
}

function table({ setting, rows, average }: Summary, part: 'student' | 'teacher'): string {
  const columns = COLUMNS[setting];
  const cells = ({ ours, paper, difference }: Compared) =>
    columns.flatMap(([key]) => [number(ours[key]), number(paper?.[key]), signed(difference?.[key])]);
  return formatTable(
    [part, ...columns.flatMap(([, name]) => [name, 'paper', 'diff'])],
    [
      ...rows.map((row) => [row.dataset, ...cells(row[part])]),
      ...(average ? [['average', ...cells(average[part])]] : []),
    ],
  );
}

const number = (value: number | undefined): string => fixed(value, 2);
const signed = (value: number | undefined): string =>
  `${value === undefined || value < 0 ? '' : '+'}${number(value)}`;
