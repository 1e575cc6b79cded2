/**
 * `npm run check:shaders`: compiles every shader variant with Tint (Dawn's null backend, which needs no adapter) and every portable
 * one with Naga (Deno).
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ladderVariants } from '../dist/bench/ladder/variants.js';
import { listShaderVariants, refusalOf } from '../dist/checks/shaders/shaderVariants.js';
import { adapterEnvironment } from '../dist/cli/platform/relaunch.js';
import { openGpu } from '../dist/engine/gpu/gpu.js';
import { findDeno } from './deno/find.mjs';
import { summary } from './summary.mjs';

const counts = { passed: 0, failed: 0, skipped: 0 };
/** Counts `{name, error?, skipped?}` results and prints errors and skips. */
function tally(compiler, results) {
  for (const { name, error, skipped } of results) {
    counts[error ? 'failed' : skipped ? 'skipped' : 'passed']++;
    if (error) console.log(`${compiler}: ${name}\n${error}\n`);
  }
  const fine = results.filter((r) => !r.error && !r.skipped).length;
  console.log(`${compiler}: ${fine} of ${results.length} shader variants compile`);
  const reasons = new Set(results.flatMap((r) => r.skipped ?? []));
  for (const reason of reasons) console.log(`${compiler}: some were skipped: ${reason}`);
}

async function compileWithDawn(variants) {
  const gpu = await openGpu({ backend: 'null' });
  const results = [];
  for (const { name, level, code, entry } of variants) {
    const label = `${name} (${level})`;
    results.push({ name: label, error: await refusalOf(gpu, { name: label, code, entry }) });
  }
  gpu.destroy();
  return results;
}

async function compileWithDeno(variants) {
  const skip = (reason) => variants.map(({ name }) => ({ name, skipped: reason }));
  const deno = findDeno();
  if (!deno) return skip('the npm package deno is not installed');
  let added;
  try {
    added = await adapterEnvironment(process.env.PROMPTKD_ADAPTER);
  } catch (error) {
    return skip(error.message);
  }
  const folder = mkdtempSync(join(tmpdir(), 'promptkd-shaders-'));
  try {
    const [input, output] = ['variants.json', 'results.json'].map((file) => join(folder, file));
    writeFileSync(input, JSON.stringify(variants));
    const script = fileURLToPath(new URL('check-shaders.deno.mjs', import.meta.url));
    const [command, ...first] = deno;
    const flags = ['run', '--no-config', '--no-lock', '--no-remote', `--allow-read=${folder}`];
    const run = spawnSync(command, [...first, ...flags, `--allow-write=${folder}`, script, input, output], {
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, ...added, DENO_DIR: join(folder, 'deno'), DENO_NO_UPDATE_CHECK: '1' },
    });
    if (!existsSync(output))
      return [{ name: 'deno', error: `ended with ${run.signal ?? run.status ?? run.error} and no results` }];
    const { reason, results } = JSON.parse(readFileSync(output, 'utf8'));
    return reason ? skip(reason) : results;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const variants = [...listShaderVariants(), ...ladderVariants()];
tally('Dawn (Tint)', await compileWithDawn(variants));
tally('Deno (Naga)', await compileWithDeno(variants.filter(({ level }) => level === 'portable')));
if (counts.passed === 0 && counts.failed === 0) counts.failed = 1;
console.log(summary(counts));
process.exit(counts.failed === 0 ? 0 : 1);
