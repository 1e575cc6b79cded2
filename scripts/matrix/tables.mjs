/** The tables of scripts/matrix.mjs: what runs where, and what came of it. */

/** The counts of a command's last `tests:` line; a command without one counts as one test. */
export function countsIn(text, status) {
  const lines = [...text.matchAll(/^tests: (\d+) passed, (\d+) failed(?:, (\d+) skipped)?/gm)];
  const last = lines.at(-1);
  if (!last) return { passed: status === 0 ? 1 : 0, failed: status === 0 ? 0 : 1, skipped: 0 };
  const [passed, failed, skipped] = last.slice(1).map((count) => Number(count ?? 0));
  return { passed, failed: status !== 0 && failed === 0 ? 1 : failed, skipped };
}

/** A Markdown table with a line for each row of the list: what each column runs, or why nothing. */
export function whatRunsWhere(rows, columns) {
  const lines = rows.map(({ title, cells }) => [
    title,
    ...Object.keys(columns).map((column) =>
      [cells[column]]
        .flat()
        .map((cell) => (typeof cell === 'string' ? `- (${cell})` : cell.says))
        .join('; '),
    ),
  ]);
  return markdown(['', ...Object.values(columns)], lines);
}

/** Counts and seconds by row and column. */
export function resultTable(results, columns) {
  const names = [...new Set(results.map(({ row }) => row))];
  const lines = names.map((name) => [
    name,
    ...['all', ...Object.keys(columns)].map((column) =>
      results
        .filter((result) => result.row === name && result.column === column)
        .map(({ passed, failed, skipped, seconds }) => {
          const others = `${failed ? ` **${failed} failed**` : ''}${skipped ? ` ${skipped} skipped` : ''}`;
          return `${passed}${others}, ${seconds} s`;
        })
        .join('; '),
    ),
  ]);
  return markdown(['passed, seconds', 'before', ...Object.values(columns)], lines);
}

const markdown = (head, lines) =>
  [head, head.map(() => '---'), ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
