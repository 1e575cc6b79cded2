/**
 * `node collect.js PARTS OUT`, called after each step of bench/gpu/run.sh: merges the JSON files in PARTS into OUT/results.json and
 * writes the comparison so far to PARTS/comparison.md.
 */
import { readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { encoderTable, kernelTable, stepTable, type TorchRow } from './compare.js';

interface Part<Row> {
  readonly rows?: readonly Row[];
}

/** Writes atomically, because a time limit may end this program at any moment. */
function replace(path: string, text: string): void {
  writeFileSync(`${path}.part`, text);
  renameSync(`${path}.part`, path);
}

const [folder, out] = process.argv.slice(2) as [string, string];
const parts: Record<string, unknown> = {};
for (const file of readdirSync(folder)
  .filter((name) => name.endsWith('.json'))
  .sort())
  try {
    parts[basename(file, '.json')] = JSON.parse(readFileSync(join(folder, file), 'utf8'));
  } catch {
    process.stderr.write(`skipped ${file}, which is incomplete\n`);
  }

/** The rows of all parts whose name starts with `prefix`, such as `step-f16` and `step-f32` for `step`. */
const rowsOf = <Row>(prefix: string): Row[] =>
  Object.entries(parts)
    .filter(([name]) => name.startsWith(prefix))
    .flatMap(([, part]) => (part as Part<Row>).rows ?? []);

const torch = rowsOf<TorchRow>('pytorch');
const tables = [
  stepTable(rowsOf('step'), torch),
  kernelTable(rowsOf('kernels'), torch),
  encoderTable(rowsOf('encoder'), torch, rowsOf('peers')),
];
replace(join(out, 'results.json'), `${JSON.stringify(parts, null, 1)}\n`);
replace(join(folder, 'comparison.md'), tables.filter(Boolean).join('\n'));
