/** JSON damaged as JSON: it mostly still parses. */
import { type Next, pick } from './choices.js';

const HOSTILE: readonly (() => unknown)[] = [
  () => null,
  () => true,
  () => -1,
  () => 0.5,
  () => 1e308,
  () => 2 ** 53,
  () => 2 ** 32,
  () => [],
  () => ({}),
  () => '',
  () => '../../etc/passwd',
  () => 'constructor',
  () => '\u0000\u001b[31m\n',
  () => 'x'.repeat(100_000),
  () => Array(1000).fill(1),
  () => [2 ** 26, 2 ** 27],
  () => [0],
  () => nested(40),
  () => nested(500),
];

/** Pieces that no serialiser writes. */
const RAW = [
  '1e999',
  '[[[[',
  ']',
  '"a":1,',
  ',',
  '"__proto__":{"x":1},',
  '\u0000',
  '{"a":{"a":{"a":',
] as const;

/** One to three values replaced, removed, doubled, renamed or exchanged; now and then the text itself is hurt. */
export function mutateJson(text: string, next: Next): string {
  let root: unknown = JSON.parse(text);
  for (let changes = 1 + next(3); changes > 0; changes--) root = change(root, next);
  let out = JSON.stringify(root) ?? '';
  if (next(8) === 0) {
    const at = next(out.length + 1);
    out = out.slice(0, at) + pick(next, RAW) + out.slice(at);
  }
  // Half a million bytes of it, and what few bytes can stand for much of.
  if (next(60) === 0)
    out = pick(next, ['[', '[],', '{"a":', '1,', '"",', '{},']).repeat(100_000 + next(400_000));
  return out;
}

function nested(depth: number): unknown {
  let value: unknown = 1;
  for (let i = 0; i < depth; i++) value = [value];
  return value;
}

function change(root: unknown, next: Next): unknown {
  let parent: Record<string, unknown> = { root };
  let key = 'root';
  // Down by chance, at least one level where there is one.
  for (let depth = 0; ; depth++) {
    const value = parent[key];
    if (typeof value !== 'object' || value === null || Object.keys(value).length === 0) break;
    if (depth > 0 && next(3) === 0) break;
    parent = value as Record<string, unknown>;
    key = pick(next, Object.keys(parent));
  }
  const kind = next(6);
  if (kind === 0 && key !== 'root') delete parent[key];
  else if (kind === 1 && key !== 'root')
    parent[pick(next, ['__proto__x', '', '0', `${key} `, 'a.b'])] = parent[key];
  else if (kind === 2) parent[key] = parent[pick(next, Object.keys(parent))];
  else if (kind === 3 && typeof parent[key] === 'number')
    parent[key] = (parent[key] as number) + pick(next, [-1, 1, 2, 64]);
  else parent[key] = pick(next, HOSTILE)();
  return key === 'root' ? parent.root : root;
}
