/** Lines of a text file damaged, and what is written into such files by mistake or on purpose. */
import { type Next, pick } from './choices.js';

const COMMON: readonly (() => string)[] = [
  () => '',
  () => ' ',
  () => '\ufeff',
  () => '\u0000',
  () => '\u001b[31m',
  () => '\r',
  () => '\t',
  () => '\ud800',
  () => '../../../etc/passwd',
  () => '__proto__',
  () => 'constructor',
  () => 'e\u0301'.repeat(50),
  () => '&'.repeat(3000),
  () => '&amp;#'.repeat(2000),
  () => 'x'.repeat(100_000),
  () => Array.from({ length: 20_000 }, (_, i) => String.fromCharCode(97 + ((i * i) % 26))).join(''),
  () => 'a '.repeat(50_000),
  () => '\n'.repeat(100_000),
];

const YAML: readonly (() => string)[] = [
  () => '*a',
  () => '&a [*a]',
  () => '&a {b: *a}',
  () => '<<: *a',
  () => '!!binary aGk=',
  () => '!!js/function "function () {}"',
  () => '!!set {a}',
  () => '!<tag:x> 1',
  () => '? [a, b]\n: c',
  () => '__proto__: {polluted: 1}',
  () => 'constructor: {prototype: {polluted: 1}}',
  () => '.nan',
  () => '.inf',
  () => '-1',
  () => '1e999',
  () => '0x10',
  () => '2001-12-14t21:59:43.10-05:00',
  () => '~',
  () => '[]',
  () => '{}',
  () => '---',
  () => '...',
  () => '%YAML 9.9',
  () => '| \n  block',
  () => `${'['.repeat(300)}`,
  () => '['.repeat(20_000),
  () => '{a: '.repeat(5000),
  () => '- '.repeat(5000),
  () =>
    `b0: &b0 [x, x]\n${Array.from({ length: 20 }, (_, i) => `b${i + 1}: &b${i + 1} [*b${i}, *b${i}]`).join('\n')}`,
];

/** One to four lines replaced, removed, doubled, exchanged, or with something put in. */
export function mutateLines(text: string, next: Next, pieces: readonly (() => string)[] = COMMON): string {
  const lines = text.split('\n');
  for (let changes = 1 + next(4); changes > 0; changes--) {
    const at = next(lines.length);
    const line = lines[at]!;
    const piece = pick(next, pieces)();
    const kind = next(7);
    if (kind === 0) lines.splice(at, 1);
    else if (kind === 1) lines.splice(at, 0, pick(next, lines));
    else if (kind === 2) lines.splice(at, 0, piece);
    else if (kind === 3) lines[at] = piece;
    else if (kind === 4) lines[at] = `${line.split(':')[0]}: ${piece}`;
    else {
      const from = next(line.length + 1);
      lines[at] = line.slice(0, from) + (kind === 5 ? piece : '') + line.slice(from + next(4));
    }
    if (lines.length === 0) lines.push('');
  }
  return lines.join('\n');
}

export const mutateYaml = (text: string, next: Next): string =>
  mutateLines(text, next, next(4) === 0 ? COMMON : YAML);
