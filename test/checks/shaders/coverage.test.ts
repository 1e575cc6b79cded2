import { readdirSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { expect, it } from 'vitest';
import { listShaderVariants } from '../../../checks/shaders/shaderVariants.js';

const root = new URL('../../../shaders/', import.meta.url);
const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((file) =>
  file.endsWith('.wgsl'),
);

it('the shader check compiles every shader file, itself or where another includes it', () => {
  const included = files.flatMap((file) =>
    [...readFileSync(new URL(file, root), 'utf8').matchAll(/^\s*\/\/#include\s+(\w+)/gm)].map(
      ([, name]) => name!,
    ),
  );
  const compiled = listShaderVariants().map(({ name }) => name.split('.')[0]!);
  expect([...new Set([...compiled, ...included])].sort()).toEqual(
    files.map((file) => basename(file, '.wgsl')).sort(),
  );
});
