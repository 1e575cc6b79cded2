/** Result files: what was measured as JSON, and the same as a Markdown table, beside each other. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { UserError } from '../engine/errors.js';
import { type Environment, rootFolder } from './environment.js';
import { markdownTable } from './table.js';

export interface Report<Row> {
  /** The command, such as `peers`. */
  readonly name: string;
  readonly date: string;
  readonly environment: Environment;
  readonly rows: readonly Row[];
}

const plain = (name: string) =>
  name
    .toLowerCase()
    .replace(/\(.*?\)/g, '')
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '');

/** `bench/results/<adapter>-<date>-<name>`, to which `.json` and `.md` are added. */
export const defaultPath = ({ name, date, environment }: Report<unknown>): string =>
  join(rootFolder(), 'bench', 'results', `${plain(environment.adapter)}-${date.slice(0, 10)}-${plain(name)}`);

/**
 * Writes a report to `path`.json and `path`.md.
 *
 * @param render the tables of its rows
 * @param append keeps rows of the file that is there, except those that `keyOf` says are measured again
 * @returns the Markdown text
 */
export function writeReport<Row>(
  report: Report<Row>,
  render: (rows: readonly Row[]) => string,
  { out, append }: { readonly out?: string; readonly append?: { readonly keyOf: (row: Row) => string } },
): string {
  const path = (out ?? defaultPath(report)).replace(/\.(json|md)$/, '');
  const complete = append
    ? { ...report, rows: merge(readRows<Row>(path, report), report.rows, append.keyOf) }
    : report;
  const text = `${heading(complete)}\n${render(complete.rows)}`;
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(`${path}.json`, `${JSON.stringify(complete, null, 1)}\n`);
  writeFileSync(`${path}.md`, text);
  return text;
}

function readRows<Row>(path: string, { environment }: Report<Row>): readonly Row[] {
  if (!existsSync(`${path}.json`)) return [];
  const earlier = JSON.parse(readFileSync(`${path}.json`, 'utf8')) as Report<Row>;
  if (earlier.environment.adapter !== environment.adapter)
    throw new UserError(
      `${path}.json was measured on ${earlier.environment.adapter}, not on ${environment.adapter}`,
      'give another file with --out',
    );
  return earlier.rows;
}

/** New rows take the places of earlier ones with the same key; others follow. */
export function merge<Row>(
  earlier: readonly Row[],
  rows: readonly Row[],
  keyOf: (row: Row) => string,
): readonly Row[] {
  const found = new Map(earlier.map((row) => [keyOf(row), row]));
  for (const row of rows) found.set(keyOf(row), row);
  return [...found.values()];
}

function heading({ name, date, environment }: Report<unknown>): string {
  const { adapter, driver, backend, level, toggles, versions, system, cores, processor } = environment;
  return `# ${name}\n\n${markdownTable({
    head: ['what', 'value'],
    text: 2,
    rows: [
      ['date', date],
      ['adapter', `${adapter} (${backend}, level ${level})`],
      ['driver', driver],
      ['Dawn toggles', toggles.join(', ')],
      [
        'versions',
        Object.entries(versions)
          .map(([key, version]) => `${key} ${version}`)
          .join(', '),
      ],
      ['system', `${system}, ${cores} cores (${processor})`],
    ],
  })}`;
}
