/** The examples of docs/engine.md and docs/models.md run, and what the pages show of them is in them. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const run = (name: string): string =>
  execFileSync(process.execPath, [`examples/libraries/${name}.mjs`], { cwd: root, encoding: 'utf8' });

it.each(['engine', 'models'])('docs/%s.md quotes its examples', (name) => {
  const page = readFileSync(`${root}/docs/${name}.md`, 'utf8');
  const examples = [...page.matchAll(/\(\.\.\/examples\/libraries\/(\w+\.mjs)\)/g)].map(([, file]) =>
    readFileSync(`${root}/examples/libraries/${file!}`, 'utf8'),
  );
  const quoted = [...page.matchAll(/```js\n(.*?)```/gs)].map(([, code]) => code);
  expect(quoted.length).toBeGreaterThan(0);
  for (const code of quoted)
    expect(
      examples.some((example) => example.includes(code!)),
      code,
    ).toBe(true);
});

it('the example of the engine finds the line', () => {
  const [, slope, offset] = /y = (\S+) x \+ (\S+)/.exec(run('engine')) ?? [];
  expect(Number(slope)).toBeCloseTo(3, 2);
  expect(Number(offset)).toBeCloseTo(2, 2);
});

it('the example of a kernel agrees with its reference, to the rounding of float32, and times both of its kernels', () => {
  const text = run('kernel');
  const errors = [...text.matchAll(/^(y|dx): at most (\S+) from the reference$/gm)];
  expect(errors.map(([, name]) => name)).toEqual(['y', 'dx']);
  for (const [, , error] of errors) expect(Number(error)).toBeLessThan(1e-7);
  for (const name of ['my_leaky_relu', 'my_leaky_relu_backward'])
    expect(text).toMatch(new RegExp(`^${name}: [\\d.]+ ms, [\\d.]+ GB/s$`, 'm'));
});

it('the example of a loss distils with it', () => {
  const losses = [...run('loss').matchAll(/^epoch \d: loss (\S+)$/gm)].map(([, loss]) => Number(loss));
  expect(losses).toHaveLength(12);
  // Ten times one minus a cosine, of features that have nothing in common at first.
  expect(losses[0]).toBeGreaterThan(5);
  expect(losses.at(-1)).toBeLessThan(losses[0]! / 2);
});

it('the example of the models recognises a heart', () => {
  expect(run('models')).toMatch(/heart\.png: heart\n$/);
});
