/**
 * `npm run check:amd`: compiles every kernel for five AMD chips, from GCN 5 to RDNA 4, with Mesa's compiler, which needs no such
 * chip, and reports registers, memory, waves per SIMD and cycles. Fails if a kernel does not compile or spills registers, or if the
 * portable attention leaves room for too few waves. Needs Mesa 25 (scripts/install-lavapipe.sh) and a C compiler; skipped without
 * them.
 *
 *   --all           print one row per kernel and chip
 *   --json FILE     write all figures
 *   --chips A,B     only these chips
 *   --only REGEX    only kernels whose names match
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { spillsOf, table, worst } from './amd/report.mjs';
import { read } from './amd/statistics.mjs';
import { summary } from './summary.mjs';

/**
 * The driver's name of each chip, and how many waves per SIMD the portable attention must leave room for. On GCN, eight waves would
 * leave 32 registers each, fewer than a lane's accumulator tile and the operands of one step need.
 */
const CHIPS = {
  vega20: { generation: 'GCN 5', leastWaves: 2 },
  navi10: { generation: 'RDNA 1', leastWaves: 8 },
  navi21: { generation: 'RDNA 2', leastWaves: 8 },
  navi31: { generation: 'RDNA 3', leastWaves: 8 },
  gfx1201: { generation: 'RDNA 4', leastWaves: 8 },
};

const { values: options } = parseArgs({
  options: {
    all: { type: 'boolean', default: false },
    json: { type: 'string' },
    chips: { type: 'string', default: Object.keys(CHIPS).join() },
    only: { type: 'string', default: '' },
  },
});
const chips = options.chips.split(',');
for (const chip of chips)
  if (!(chip in CHIPS))
    stop({ passed: 0, failed: 1 }, `no chip is called ${chip}; there is: ${Object.keys(CHIPS)}`);

const folder = mkdtempSync(join(tmpdir(), 'promptkd-amd-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const scripts = fileURLToPath(new URL('amd', import.meta.url));

function stop(counts, reason) {
  if (reason) console.log(reason);
  console.log(summary(counts));
  process.exit(counts.failed === 0 ? 0 : 1);
}
const skip = (reason) => stop({ passed: 0, failed: 0, skipped: 1 }, `nothing was compiled: ${reason}`);

/** The manifest of Mesa's driver for AMD; undefined if it is not installed. */
function findDriver() {
  const icds = '/usr/share/vulkan/icd.d';
  try {
    const file = readdirSync(icds).find((name) => /^radeon_icd\b.*\.json$/.test(name));
    return file && join(icds, file);
  } catch {
    return undefined;
  }
}

/** Builds the library to preload; undefined without a C compiler. */
function buildLibrary() {
  const library = join(folder, 'null-call.so');
  for (const compiler of ['cc', 'gcc', 'clang']) {
    const args = ['-shared', '-fPIC', '-O1', '-o', library, join(scripts, 'null-call.c'), '-ldl'];
    const { error, status, stderr } = spawnSync(compiler, args, { encoding: 'utf8' });
    if (error) continue;
    if (status !== 0)
      stop({ passed: 0, failed: 1 }, `${compiler} refuses scripts/amd/null-call.c\n${stderr}`);
    return library;
  }
  return undefined;
}

if (process.platform !== 'linux' || process.arch !== 'x64') skip('only Linux on x86_64 is supported');
const driver = findDriver();
if (!driver) skip('Mesa is not installed (scripts/install-lavapipe.sh does it on Debian)');
const library = buildLibrary();
if (!library) skip('there is no C compiler');

/** Compiles all kernels for one chip. */
function compile(chip) {
  const env = {
    ...process.env,
    PROMPTKD_ADAPTER: '',
    VK_DRIVER_FILES: driver,
    RADV_FORCE_FAMILY: chip,
    RADV_DEBUG: 'nocache,shaderstats',
    LD_PRELOAD: library,
  };
  const args = [join(scripts, 'compile.mjs'), options.only];
  const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'ignore', 'pipe'] });
  const pieces = [];
  child.stderr.on('data', (piece) => pieces.push(piece));
  return new Promise((resolve) =>
    child.on('close', (code, signal) => {
      const output = Buffer.concat(pieces).toString();
      resolve({ chip, ...read(output), ended: signal ?? code, output });
    }),
  );
}

/** The fault of a kernel, or undefined. */
function faultOf({ chip, kernel, error, ...figures }) {
  if (error !== undefined) return error;
  if (figures.vgprs === undefined) return 'the driver gave no statistics';
  const spills = spillsOf(figures);
  if (spills > 0) return `spills ${spills} registers`;
  const { leastWaves } = CHIPS[chip];
  if (/^attention_shared_memory\./.test(kernel) && figures.waves < leastWaves)
    return `${figures.waves} waves a SIMD, of ${leastWaves} that there should be`;
  return undefined;
}

const counts = { passed: 0, failed: 0, skipped: 0 };
const rows = [];
// Two chips at a time; the kernels of one chip are compiled one after the other.
const waiting = [...chips];
const results = new Map();
await Promise.all(
  [0, 1].map(async () => {
    for (let chip = waiting.shift(); chip; chip = waiting.shift()) results.set(chip, await compile(chip));
  }),
);
for (const chip of chips) {
  const { adapter, done, ended, output, rows: found } = results.get(chip);
  const name = `${chip} (${CHIPS[chip].generation})`;
  if (!adapter?.adapter.startsWith('Null hardware')) {
    const said = adapter?.adapter ?? output.trim().split('\n').slice(-3).join('\n');
    skip(`this Mesa has no null hardware for AMD, which 25 has (${name}: ${said || ended})`);
  }
  if (!done) {
    counts.failed++;
    console.log(`${name}: ended with ${ended} at ${found.at(-1)?.kernel ?? 'the start'}`);
  }
  console.log(`${name}: ${found.length} kernels, ${adapter.driver}`);
  rows.push(...found.map((row) => ({ chip, ...row })));
}

const faults = rows.map((row) => ({ ...row, fault: faultOf(row) })).filter(({ fault }) => fault);
counts.failed += faults.length;
counts.passed = rows.length - faults.length;
if (options.json) writeFileSync(options.json, `${JSON.stringify(rows, undefined, 1)}\n`);
if (options.all) console.log(`\n${table(rows)}`);
else {
  const byWaves = worst(rows).sort((a, b) => a.waves - b.waves || b.cycles - a.cycles);
  console.log('\nThe worst figures over all chips, by kernel; fewest waves per SIMD first:\n');
  console.log(
    table(byWaves.slice(0, 24), ['kernel', 'vgprs', 'sgprs', 'spills', 'scratch', 'lds', 'waves', 'cycles']),
  );
  console.log(
    `\n${Math.max(0, byWaves.length - 24)} more kernels with at least as many waves (--all shows all rows)`,
  );
}
if (faults.length > 0) console.log('\nFaults:');
for (const { chip, kernel, fault } of faults) console.log(`  ${chip}: ${kernel}\n    ${fault}`);
if (rows.length === 0 && counts.failed === 0) counts.failed = 1;
stop(counts);
