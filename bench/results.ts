/** Result files: the measurements as JSON, and next to it the same as Markdown tables. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { UserError } from '../engine/errors.js';
import { type Environment, rootFolder } from './environment.js';
import { markdownTable } from './table.js';

/** The content of a result file. */
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
const defaultPath = ({ name, date, environment }: Report<unknown>): string =>
  join(rootFolder(), 'bench', 'results', `${plain(environment.adapter)}-${date.slice(0, 10)}-${plain(name)}`);

/**
 * Writes a report to `path`.json and `path`.md.
 *
 * @param render formats the rows as tables
 * @param append keeps the rows of an existing file, except those with the same `keyOf` as a new one
 * @returns the Markdown text
 */
export function writeReport<Row>(
  report: Report<Row>,
  render: (rows: readonly Row[]) => string,
  { out, append }: { readonly out?: string; readonly append?: { readonly keyOf: (row: Row) => string } },
): string {
  const path = (out ?? defaultPath(report)).replace(/\.(json|md)$/, '');
  const complete = append ? appended(path, report, append.keyOf) : report;
  const text = `${heading(complete)}\n${render(complete.rows)}`;
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(`${path}.json`, `${JSON.stringify(complete, null, 1)}\n`);
  writeFileSync(`${path}.md`, text);
  return text;
}

/** @throws UserError if the existing file was measured in another environment, as a file has only one heading */
function appended<Row>(path: string, report: Report<Row>, keyOf: (row: Row) => string): Report<Row> {
  if (!existsSync(`${path}.json`)) return report;
  const earlier = JSON.parse(readFileSync(`${path}.json`, 'utf8')) as Report<Row>;
  const [before, now] = [flat(earlier.environment), flat(report.environment)];
  for (const [key, value] of now)
    if ((before.get(key) ?? value) !== value)
      throw new UserError(
        `${path}.json was measured with ${key} ${before.get(key)}, not ${value}`,
        'give another --out PATH, or omit --append',
      );
  const versions = { ...earlier.environment.versions, ...report.environment.versions };
  return {
    ...report,
    environment: { ...report.environment, versions },
    rows: merge(earlier.rows, report.rows, keyOf),
  };
}

/** Merges versions one by one, as a call may measure only some of the peers. */
const flat = ({ versions, ...rest }: Environment): Map<string, string> =>
  new Map(Object.entries({ ...rest, ...versions }).map(([key, value]) => [key, String(value)]));

/** New rows replace earlier ones with the same key; others are added at the end. */
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
