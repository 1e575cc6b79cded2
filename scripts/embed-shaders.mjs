/** Writes shaders/generated.ts, which maps NAME to the text of shaders/FOLDER/NAME.wgsl, so that the engine needs no file access. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';

const root = new URL('../shaders/', import.meta.url);
const target = new URL('generated.ts', root);

const files = readdirSync(root, { recursive: true }).filter((file) => file.endsWith('.wgsl'));
const sources = new Map();
for (const file of files) {
  const name = basename(file, '.wgsl');
  if (sources.has(name)) throw new Error(`shaders/${file}: another shader has the same name`);
  // A checkout with CRLF line endings must give the same text.
  const code = readFileSync(new URL(file.replaceAll('\\', '/'), root), 'utf8').replaceAll('\r\n', '\n');
  sources.set(name, `  ${JSON.stringify(name)}: ${JSON.stringify(code)},\n`);
}
const entries = [...sources.keys()].sort().map((name) => sources.get(name));
const text = `// Made by scripts/embed-shaders.mjs from shaders/**/*.wgsl; not to be edited.
export const shaderSources: Readonly<Record<string, string>> = {
${entries.join('')}};
`;

let current;
try {
  current = readFileSync(target, 'utf8');
} catch {
  current = undefined;
}
// Only write changes, or a watching compiler or test runner would start over.
if (current !== text) writeFileSync(target, text);
