import { readdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { everyExample, gradientsOf } from '../../engine/examples.js';
import { recordingOrder } from '../../engine/graph/traverse.js';
import { Examples } from '../../engine/ops/example.js';

const folder = (name: string) => new URL(`../../engine/${name}/`, import.meta.url);
const textOf = (name: string, file: string) => readFileSync(new URL(file, folder(name)), 'utf8');

/** Files of a folder that its index names. */
const listed = (name: string) =>
  [...textOf(name, 'index.ts').matchAll(/^export \* from '\.\/(\w+)\.js';$/gm)].map(([, file]) => file!);

/** Files of operations that only help others, or that record what others define. */
const HELPERS = ['elementwise', 'example', 'rows', 'shape'];

it('the index has a line for every file of operations', () => {
  const files = readdirSync(folder('ops')).map((file) => file.replace('.ts', ''));
  expect(listed('ops').sort()).toEqual(
    files.filter((file) => file !== 'index' && !HELPERS.includes(file)).sort(),
  );
});

it('every file of operations has examples', async () => {
  const without: string[] = [];
  for (const file of listed('ops')) {
    const exported: Record<string, unknown> = await import(`../../engine/ops/${file}.ts`);
    if (!Object.values(exported).some((value) => value instanceof Examples)) without.push(file);
  }
  expect(without).toEqual([]);
});

it('examples call every operation that there is, forward and backward', () => {
  const defined = ['ops', 'train'].flatMap((name) =>
    readdirSync(folder(name)).flatMap((file) =>
      [...textOf(name, file).matchAll(/: Op<[^=]*>\s*=\s*\{\s*name: '(\w+)'/g)].map(([, op]) => op!),
    ),
  );
  const called = everyExample().flatMap((one) =>
    recordingOrder([...(one.output ? [one.output] : []), ...gradientsOf(one)], one.updates).map(
      ({ op }) => op.name,
    ),
  );
  expect([...new Set(called)].sort()).toEqual(defined.sort());
});
