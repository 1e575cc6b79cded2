/**
 * Part of `npm run lint`: checks docstrings (structure/docstrings.mjs), and that no shader is too long. Biome checks the length of
 * TypeScript files, import cycles, and what each folder may import (biome.json).
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { docstringProblems } from './structure/docstrings.mjs';

const LONGEST = 300;
const SOURCES = ['engine', 'formats', 'models', 'report', 'checks', 'cli', 'bench', 'web'];

const problems = [];
for (const file of SOURCES.flatMap((folder) => filesIn(folder, '.ts')))
  problems.push(...docstringProblems(file, readFileSync(file, 'utf8')));
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
