/** The examples of docs/engine.md and docs/models.md run, and what the pages show of them is in them. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const run = (name: string): string =>
  execFileSync(process.execPath, [`examples/libraries/${name}.mjs`], { cwd: root, encoding: 'utf8' });

it.each(['engine', 'models'])('docs/%s.md quotes its example', (name) => {
  const page = readFileSync(`${root}/docs/${name}.md`, 'utf8');
  const example = readFileSync(`${root}/examples/libraries/${name}.mjs`, 'utf8');
  const quoted = [...page.matchAll(/```js\n(.*?)```/gs)].map(([, code]) => code);
  expect(quoted.length).toBeGreaterThan(0);
  for (const code of quoted) expect(example).toContain(code);
});

it('the example of the engine finds the line', () => {
  const [, slope, offset] = /y = (\S+) x \+ (\S+)/.exec(run('engine')) ?? [];
  expect(Number(slope)).toBeCloseTo(3, 2);
  expect(Number(offset)).toBeCloseTo(2, 2);
});

it('the example of the models recognises a heart', () => {
  expect(run('models')).toMatch(/heart\.png: heart\n$/);
});
