/** Tables of `npm run check:amd`. */

const COLUMNS = {
  chip: 'chip',
  kernel: 'kernel',
  vgprs: 'VGPRs',
  sgprs: 'SGPRs',
  spills: 'spills',
  scratch: 'scratch',
  lds: 'LDS',
  waves: 'waves',
  cycles: 'cycles',
};

/** Spilled registers of both kinds. */
export const spillsOf = ({ spilledVgprs = 0, spilledSgprs = 0 }) => spilledVgprs + spilledSgprs;

/** Text in columns: names left-aligned, numbers right-aligned. */
export function table(rows, columns = Object.keys(COLUMNS)) {
  const lines = [
    columns.map((column) => COLUMNS[column]),
    ...rows.map((row) =>
      columns.map((column) => String(column === 'spills' ? spillsOf(row) : (row[column] ?? ''))),
    ),
  ];
  const widths = columns.map((_, c) => Math.max(...lines.map((line) => line[c].length)));
  const words = (column) => column === 'chip' || column === 'kernel';
  return lines
    .map((line) =>
      line
        .map((text, c) => (words(columns[c]) ? text.padEnd(widths[c]) : text.padStart(widths[c])))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** One row per kernel name and precision, with the worst of each figure over all chips. */
export function worst(rows) {
  const groups = new Map();
  for (const row of rows.filter(({ vgprs }) => vgprs !== undefined)) {
    const kernel = row.kernel.split(' ').slice(0, 2).join(' ');
    groups.set(kernel, [...(groups.get(kernel) ?? []), row]);
  }
  return [...groups].map(([kernel, all]) => {
    const most = (field) => Math.max(...all.map((row) => row[field] ?? 0));
    const figures = Object.fromEntries(
      ['vgprs', 'sgprs', 'spilledVgprs', 'spilledSgprs', 'scratch', 'lds', 'cycles'].map((f) => [f, most(f)]),
    );
    return { kernel, ...figures, waves: Math.min(...all.map(({ waves }) => waves)) };
  });
}
