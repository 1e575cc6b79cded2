/** Writes shaders/generated.ts: every shaders/*.wgsl as a string, so that the engine needs no file access. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';

const folder = new URL('../shaders/', import.meta.url);
const target = new URL('generated.ts', folder);

const names = readdirSync(folder)
  .filter((file) => file.endsWith('.wgsl'))
  .map((file) => file.slice(0, -'.wgsl'.length))
  .sort();
const entries = names.map((name) => {
  // A checkout with CRLF line ends must give the same text.
  const code = readFileSync(new URL(`${name}.wgsl`, folder), 'utf8').replaceAll('\r\n', '\n');
  return `  ${JSON.stringify(name)}: ${JSON.stringify(code)},\n`;
});
const text = `// Made by scripts/embed-shaders.mjs from shaders/*.wgsl; not to be edited.
export const shaderSources: Readonly<Record<string, string>> = {
${entries.join('')}};
`;

let current;
try {
  current = readFileSync(target, 'utf8');
} catch {
  current = undefined;
}
// Only when changed: a watching compiler or test runner would start over otherwise.
if (current !== text) writeFileSync(target, text);
