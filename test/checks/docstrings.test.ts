import { expect, it } from 'vitest';

/** A script, which has no types. */
interface Docstrings {
  readonly docstringProblems: (file: string, text: string) => string[];
}
const { docstringProblems } = (await import(
  new URL('../../scripts/structure/docstrings.mjs', import.meta.url).href
)) as Docstrings;

const problems = (...lines: string[]) => docstringProblems('a.ts', lines.join('\n'));

it('exported declarations have a docstring right before them', () => {
  expect(problems('/** Half. */', 'export const half = 0.5;', 'const other = 1;')).toEqual([]);
  expect(problems('// Half.', 'export const half = 0.5;')).toEqual([
    'a.ts:2: half is exported without a docstring',
  ]);
  expect(problems('/** Half. */', 'const half = 0.5;', 'export type Half = 0.5;')).toEqual([
    'a.ts:3: Half is exported without a docstring',
  ]);
});

it('the implementation behind overloads has their docstring', () => {
  const overload = 'export function f(x: number): number;';
  const implementation = 'export function f(x: unknown) { if (!x) throw new Error(); return x; }';
  expect(problems('/** @throws Error on 0 */', overload, implementation)).toEqual([]);
  expect(problems('/** The same. */', overload, implementation)).toHaveLength(1);
});

it('a function that throws says so', () => {
  const body = "{ if (x < 0) throw new RangeError('negative'); return x; }";
  for (const said of ['@throws RangeError on a negative x', 'Throws on a negative x.', 'Rejects -1.'])
    expect(problems(`/** ${said} */`, `export function f(x: number) ${body}`), said).toEqual([]);
  const missing = ['a.ts:2: f throws, and its docstring does not say when (@throws)'];
  expect(problems('/** The root. */', `export function f(x: number) ${body}`)).toEqual(missing);
  expect(problems('/** The root. */', `export const f = (x: number) => ${body};`)).toEqual(missing);
});

it('what a function inside it throws, or an error that is passed on, is not its own', () => {
  expect(problems('/** A function. */', 'export const f = () => () => { throw new Error(); };')).toEqual([]);
  expect(
    problems('/** Runs it. */', 'export function f(g: () => void) { try { g(); } catch (e) { throw e; } }'),
  ).toEqual([]);
});

it('public methods and getters have a docstring, and say that they throw', () => {
  const inClass = (...members: string[]) => problems('/** A. */', 'export class A {', ...members, '}');
  expect(inClass('get size() { return 1; }')).toEqual(['a.ts:3: the public method A.size has no docstring']);
  expect(inClass('async run() {}')).toHaveLength(1);
  expect(inClass('static of() {}')).toHaveLength(1);
  for (const member of [
    'constructor() {}',
    'private run() {}',
    'protected run() {}',
    '#run() {}',
    'override run() {}',
    'set size(to: number) {}',
    '/** Runs. */ run() {}',
  ])
    expect(inClass(member), member).toEqual([]);

  const throwing = "/** Runs. */ run() { throw new Error('no'); }";
  expect(inClass(throwing)).toEqual(['a.ts:3: A.run throws, and its docstring does not say when (@throws)']);
  expect(problems('/** All methods throw. */', `export class A { ${throwing} }`)).toEqual([]);
  expect(problems(`class A { ${throwing} run() {} }`)).toEqual([]);
});
