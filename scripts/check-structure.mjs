/**
 * Part of `npm run lint`: checks that every exported name has a docstring, and that no shader is too long. Biome checks the length
 * of TypeScript files, import cycles, and that no folder imports one above it (biome.json).
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseSync } from 'oxc-parser';

const LONGEST = 300;
const SOURCES = ['engine', 'models', 'checks', 'cli', 'bench', 'web'];

const problems = [];
for (const file of SOURCES.flatMap((folder) => filesIn(folder, '.ts'))) problems.push(...undocumented(file));
for (const file of [...filesIn('shaders', '.wgsl'), ...filesIn('web', '.css')]) {
  const lines = readFileSync(file, 'utf8').split('\n').length - 1;
  if (lines > LONGEST) problems.push(`${file}: ${lines} lines; a file has at most ${LONGEST}`);
}
for (const problem of problems) console.error(problem);
process.exitCode = problems.length === 0 ? 0 : 1;

function filesIn(folder, ending) {
  // The bench installs packages below its own folder.
  const names = readdirSync(folder, { recursive: true }).filter(
    (name) => name.endsWith(ending) && !name.includes('node_modules'),
  );
  return names.sort().map((name) => join(folder, name));
}

/** Exported declarations without a docstring right before them. Re-exports have theirs where they are declared. */
function undocumented(file) {
  const text = readFileSync(file, 'utf8');
  const { program, comments } = parseSync(file, text);
  const ends = new Set(comments.filter(({ value }) => value.startsWith('*')).map(({ end }) => end));
  const documented = ({ start }) => ends.has(text.slice(0, start).trimEnd().length);
  return program.body
    .filter(({ type, declaration }) => declaration && type.startsWith('Export'))
    .filter((node, i, all) => !documented(node) && !isOverload(node, all[i - 1]))
    .map((node) => `${file}:${lineOf(text, node.start)}: ${nameOf(node)} is exported without a docstring`);
}

/** The implementation behind documented overloads. */
function isOverload(node, before) {
  return before?.declaration?.type === 'TSDeclareFunction' && nameOf(before) === nameOf(node);
}

function nameOf({ declaration }) {
  return declaration.id?.name ?? declaration.declarations?.[0].id.name ?? 'default';
}

function lineOf(text, position) {
  return text.slice(0, position).split('\n').length;
}
