import { existsSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

/** The list of all checks, which is a script and so has no types. */
interface Cell {
  readonly step?: string;
  readonly says?: string;
  readonly command?: (machine: Readonly<Record<string, boolean>>) => readonly string[];
}
interface List {
  readonly COLUMNS: Readonly<Record<string, string>>;
  readonly ROWS: readonly {
    readonly id: string;
    readonly cells: Readonly<Record<string, string | Cell | readonly Cell[]>>;
  }[];
}
interface Tables {
  readonly whatRunsWhere: (rows: List['ROWS'], columns: List['COLUMNS']) => string;
  readonly countsIn: (text: string, status: number) => object;
}
const load = (file: string) => import(new URL(`../../scripts/matrix/${file}`, import.meta.url).href);
const { COLUMNS, ROWS } = (await load('rows.mjs')) as List;
const { whatRunsWhere, countsIn } = (await load('tables.mjs')) as Tables;

it('every row says for each column what runs, or why nothing does', () => {
  for (const { id, cells } of ROWS) {
    expect(Object.keys(cells), id).toEqual(Object.keys(COLUMNS));
    for (const cell of Object.values(cells).flat())
      expect(typeof cell === 'string' ? cell : cell.says, id).toMatch(/\S/);
  }
  expect(new Set(ROWS.map(({ id }) => id)).size).toBe(ROWS.length);
});

it('every test file that a row names is there', () => {
  const machine = { lavapipe: true, mesa26: true, goldens: true };
  const named = ROWS.flatMap(({ cells }) => Object.values(cells).flat())
    .flatMap((cell) => (typeof cell !== 'string' && cell.command ? cell.command(machine) : []))
    .filter((arg) => arg.endsWith('.test.ts'));
  expect(named.length).toBeGreaterThan(20);
  expect(named.filter((file) => !existsSync(file))).toEqual([]);
});

it('docs/checking.md shows the list (npm run matrix -- --list)', () => {
  const rows = (table: string) =>
    table.split('\n').flatMap((line) =>
      line.startsWith('|') && !/^\|[\s|-]*$/.test(line)
        ? [
            line
              .split('|')
              .map((cell) => cell.trim())
              .join('|'),
          ]
        : [],
    );
  const [, section = ''] = readFileSync('docs/checking.md', 'utf8').split('## What runs where\n');
  expect(rows(section.split('\n## ')[0]!)).toEqual(rows(whatRunsWhere(ROWS, COLUMNS)));
});

it('counts are those of the last line, and a command without one is one test', () => {
  const text = 'tests: 3 passed, 1 failed\nmore\ntests: 4 passed, 0 failed, 2 skipped\n';
  expect(countsIn(text, 0)).toEqual({ passed: 4, failed: 0, skipped: 2 });
  expect(countsIn(text, 1)).toEqual({ passed: 4, failed: 1, skipped: 2 });
  expect(countsIn('fine', 0)).toEqual({ passed: 1, failed: 0, skipped: 0 });
  expect(countsIn('broken', 2)).toEqual({ passed: 0, failed: 1, skipped: 0 });
});
