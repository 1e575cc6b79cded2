/** The skeleton of every report: one HTML file that loads nothing, for screens of any width, for light and dark, and for paper. */
import { fixed } from '../models/numbers.js';

/** Text for HTML and SVG. */
export const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

/** A number with some decimals, such as a percentage; a dash where there is no number. */
export const rounded = (value: number | undefined, digits = 1): string => fixed(value, digits, '–');

/** A difference with its sign: `+3.2`, `−0.5`, `±0.0`. */
export function signed(value: number | undefined): string {
  if (value === undefined || !Number.isFinite(value)) return '–';
  const text = Math.abs(value).toFixed(1);
  return Number(text) === 0 ? `±${text}` : `${value < 0 ? '−' : '+'}${text}`;
}

/** The class that colours a difference. */
export const tendency = (value: number | undefined): string =>
  value === undefined || Math.abs(value) < 0.05 ? 'same' : value > 0 ? 'better' : 'worse';

/** A cell of a table: text, or HTML that is already escaped. */
export type Cell = string | { readonly html: string };

/** An HTML table. The first `text` columns are left-aligned. */
export function table(
  head: readonly string[],
  rows: readonly (readonly Cell[])[],
  { text = 1, foot = 0 }: { readonly text?: number; readonly foot?: number } = {},
): string {
  const row = (cells: readonly Cell[], tag: 'td' | 'th') =>
    `<tr>${cells
      .map((cell, i) => {
        const content = typeof cell === 'string' ? escapeHtml(cell) : cell.html;
        return `<${tag}${i < text ? ' class="text"' : ''}>${content}</${tag}>`;
      })
      .join('')}</tr>`;
  const body = rows.map((cells) => row(cells, 'td'));
  const last = body.splice(rows.length - foot);
  return (
    `<div class="wide"><table><thead>${row(head, 'th')}</thead><tbody>${body.join('')}</tbody>` +
    `${last.length > 0 ? `<tfoot>${last.join('')}</tfoot>` : ''}</table></div>`
  );
}

/** A part of the page; nothing when it has no content. */
export const section = (title: string, about: string, content: string): string =>
  content === ''
    ? ''
    : `<section><h2>${escapeHtml(title)}</h2>${about && `<p>${escapeHtml(about)}</p>`}${content}</section>`;

/** A chart or picture with its title, and a line about how to read it. */
export const figure = (title: string, content: string, about = ''): string =>
  content === ''
    ? ''
    : `<figure><figcaption><b>${escapeHtml(title)}</b>${about && ` <span>${escapeHtml(about)}</span>`}</figcaption>${content}</figure>`;

/** A chart with a table beside it, or below on a narrow screen. */
export const beside = (chart: string, list: string): string => `<div class="split">${chart}${list}</div>`;

/** Content that is folded until it is asked for; printed open. */
export const details = (summary: string, content: string, open = false): string =>
  content === ''
    ? ''
    : `<details${open ? ' open' : ''}><summary>${escapeHtml(summary)}</summary>${content}</details>`;

/** The whole file. */
export function page(title: string, about: string, body: readonly string[]): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"/><meta name="viewport" content="width=device-width, initial-scale=1"/>
<title>${escapeHtml(title)}</title><style>${STYLE}</style></head><body>
<header><h1>${escapeHtml(title)}</h1><p>${escapeHtml(about)}</p></header>
<main>
${body.filter((part) => part !== '').join('\n')}
</main></body></html>
`;
}

const STYLE = `
:root { color-scheme: light dark; --ink: #1d2129; --dim: #68707d; --line: #e4e7ec; --card: #f7f8fa; --ground: #fff;
  --after: #2563b8; --before: #a4acb9; --better: #1b7f4b; --worse: #b8433a; --s1: #2563b8; --s2: #c2701c; --s3: #1b7f4b; --s4: #8a4fb5; --s5: #b8433a; --s6: #68707d; }
@media (prefers-color-scheme: dark) { :root { --ink: #e5e8ed; --dim: #98a0ad; --line: #2b313b; --card: #1b2028; --ground: #13171d;
  --after: #76aef5; --before: #606a79; --better: #5cc48d; --worse: #f08a80; --s1: #76aef5; --s2: #e9a557; --s3: #5cc48d; --s4: #c39ae6; --s5: #f08a80; --s6: #98a0ad; } }
* { box-sizing: border-box; }
body { font: 15px/1.55 system-ui, -apple-system, "Segoe UI", sans-serif; color: var(--ink); background: var(--ground); max-width: 1040px; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
h1 { font-size: 1.55rem; font-weight: 650; letter-spacing: -0.01em; margin: 0; } header p { margin: 0.25rem 0 0; color: var(--dim); overflow-wrap: anywhere; }
h2 { font-size: 1.12rem; font-weight: 650; margin: 0 0 0.2rem; } section { margin-top: 2.75rem; } section > p { margin: 0 0 1rem; color: var(--dim); max-width: 46rem; }
h3 { font-size: 1rem; font-weight: 600; margin: 1.5rem 0 0.4rem; overflow-wrap: anywhere; }
figure { margin: 0; min-width: 0; } figcaption { font-size: 0.86rem; margin-bottom: 0.35rem; } figcaption b { font-weight: 600; } figcaption span { color: var(--dim); }
.grid { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 21rem), 1fr)); gap: 1.6rem 2rem; }
.split { display: grid; grid-template-columns: minmax(0, 11fr) minmax(0, 9fr); gap: 1.4rem 2rem; align-items: start; } .split + .split { margin-top: 2.2rem; }
@media (max-width: 520px) { th, td { padding-left: 0.8rem; } }
@media (max-width: 860px) { .split { grid-template-columns: minmax(0, 1fr); } }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(7.5rem, 1fr)); gap: 0.75rem; margin-bottom: 1.2rem; }
.tile { background: var(--card); border-radius: 10px; padding: 0.7rem 0.9rem; } .tile span { display: block; color: var(--dim); font-size: 0.82rem; }
.tile b { font-size: 1.6rem; font-weight: 650; font-variant-numeric: tabular-nums; letter-spacing: -0.02em; margin-right: 0.35rem; } .tile i { font-style: normal; font-size: 0.9rem; white-space: nowrap; }
.better { color: var(--better); } .worse { color: var(--worse); } .same { color: var(--dim); }
.legend { display: flex; flex-wrap: wrap; gap: 0.2rem 1.1rem; color: var(--dim); font-size: 0.84rem; margin: 0 0 0.6rem; } .legend i { display: inline-block; width: 0.7rem; height: 0.7rem; border-radius: 50%; margin-right: 0.4rem; }
svg { display: block; max-width: 100%; height: auto; overflow: visible; color: var(--dim); font: 11px system-ui, -apple-system, "Segoe UI", sans-serif; }
.wide { overflow-x: auto; } .wide svg.matrix { min-width: 30rem; }
table { border-collapse: collapse; font-size: 0.9rem; font-variant-numeric: tabular-nums; } th, td { padding: 0.28rem 0 0.28rem 1.4rem; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { color: var(--dim); font-weight: 500; } .text { text-align: left; padding-left: 0; padding-right: 0.6rem; } tfoot td { font-weight: 600; border-bottom: 0; }
td.text:first-child { white-space: normal; overflow-wrap: anywhere; min-width: 7rem; }
.photos { display: grid; grid-template-columns: repeat(auto-fill, minmax(8.6rem, 1fr)); gap: 0.9rem; margin: 0 0 1.4rem; padding: 0; list-style: none; }
.photos li { background: var(--card); border-radius: 10px; padding: 0.6rem; font-size: 0.78rem; line-height: 1.4; min-width: 0; } .photos img { width: 100%; aspect-ratio: 1; object-fit: cover; border-radius: 6px; display: block; margin-bottom: 0.45rem; background: #fff; }
.photos div { display: flex; justify-content: space-between; gap: 0.4rem; font-variant-numeric: tabular-nums; } .photos div span:last-child { white-space: nowrap; } .photos div span:first-child { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.photos .name { font-weight: 600; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; } .photos .right { color: var(--better); font-weight: 600; }
details { margin-top: 0.9rem; } summary { cursor: pointer; color: var(--dim); font-size: 0.9rem; } summary:focus-visible { outline: 2px solid var(--after); outline-offset: 3px; border-radius: 3px; } details > :not(summary) { margin-top: 0.7rem; }
pre { background: var(--card); border-radius: 10px; padding: 0.9rem; overflow-x: auto; font-size: 0.82rem; margin: 0; }
@media print { :root { color-scheme: light; --ink: #000; --dim: #555; --line: #ccc; --card: #fff; --ground: #fff; --after: #1f57a8; --before: #999; --better: #126237; --worse: #a2322a; }
  body { max-width: none; padding: 0; font-size: 10pt; } section { margin-top: 1.4rem; } figure, .tile, .photos li, tr { break-inside: avoid; } h2, h3 { break-after: avoid; }
  th, td { padding-left: 0.8rem; font-size: 8.5pt; } .photos { grid-template-columns: repeat(6, minmax(0, 1fr)); gap: 0.5rem; }
  .tile, .photos li { border: 1px solid var(--line); } * { print-color-adjust: exact; -webkit-print-color-adjust: exact; } details::details-content { content-visibility: visible; height: auto; } }
`;
