/**
 * `node collect.js PARTS OUT`: after each step of bench/gpu/run.sh, puts every JSON file of PARTS into one, OUT/results.json, and
 * writes PARTS/comparison.md, what of it can be compared.
 */
import { readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { encoderTable, kernelTable, stepTable, type TorchRow } from './compare.js';

interface Part<Row> {
  readonly rows?: readonly Row[];
}

/** A limit ends programs and this list at any moment: nobody may find half a file. */
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
    process.stderr.write(`${file} is incomplete and left out\n`);
  }

/** The rows of every part whose name begins so: `step-f16` and `step-f32`. */
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
