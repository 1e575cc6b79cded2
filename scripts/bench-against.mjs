/**
 * `npm run bench:against -- COMMIT [--turns N] [--most RATIO] -- step …`: runs a measurement of the bench with this tree and with
 * another commit in turns, because the speed of a machine varies. Prints how much longer each row takes here; exit code 1 if it is
 * more than `--most`.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';

const here = fileURLToPath(new URL('..', import.meta.url));
const program = new Command('bench:against')
  .argument('<commit>', 'commit to compare with')
  .argument('<bench...>', 'measurement of the bench and its flags, after --')
  .option('--turns <n>', 'how often to measure each tree', Number, 5)
  .option('--most <ratio>', 'largest accepted ratio over all rows', Number, 1.02)
  .parse();
const [commit, ...bench] = program.args;
const { turns, most } = program.opts();

const folder = mkdtempSync(join(tmpdir(), 'promptkd-against-'));
const there = join(folder, 'tree');
const git = (...args) => execFileSync('git', args, { cwd: here, stdio: ['ignore', 'inherit', 'inherit'] });
try {
  git('worktree', 'add', '--detach', '--quiet', there, commit);
  symlinkSync(join(here, 'node_modules'), join(there, 'node_modules'));
  const trees = { there, here };
  for (const tree of Object.values(trees))
    execFileSync('npm', ['run', 'build', '--silent'], { cwd: tree, stdio: 'inherit' });
  const samples = { there: new Map(), here: new Map() };
  for (let turn = 0; turn < turns; turn++) {
    // The one that goes first has the colder machine.
    const order = turn % 2 === 0 ? ['there', 'here'] : ['here', 'there'];
    for (const which of order)
      for (const [name, timing] of measure(trees[which], join(folder, `${which}-${turn}`)))
        samples[which].set(name, [...(samples[which].get(name) ?? []), ...timing.samples]);
  }
  process.exitCode = compare(samples) ? 0 : 1;
} finally {
  git('worktree', 'remove', '--force', there);
  rmSync(folder, { recursive: true, force: true });
}

/** The rows of one run of the bench, by what they are of. */
function measure(tree, out) {
  const { status } = spawnSync(process.execPath, ['scripts/bench.mjs', ...bench, '--out', out], {
    cwd: tree,
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, PROMPTKD_BENCH_BUILT: '1' },
  });
  if (status !== 0) throw new Error(`the bench ended with ${status} in ${tree}`);
  const { rows } = JSON.parse(readFileSync(`${out}.json`, 'utf8'));
  return rows.filter(({ timing }) => timing).map((row) => [nameOf(row), row.timing]);
}

function nameOf({ stage, mode, models, dtype, run }) {
  const parts = [stage && `stage ${stage}`, mode, models, dtype, run];
  return parts.filter((part) => part !== undefined).join(', ');
}

function compare({ there, here }) {
  const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
  const rows = [...here.keys()]
    .filter((name) => there.has(name))
    .map((name) => {
      const [before, now] = [median(there.get(name)), median(here.get(name))];
      const [least, leastNow] = [Math.min(...there.get(name)), Math.min(...here.get(name))];
      return { name, before, now, ratio: now / before, least: leastNow / least };
    });
  const mean = (of) => Math.exp(rows.reduce((sum, row) => sum + Math.log(of(row)), 0) / rows.length);
  console.log(`| row | median ms, ${commit} | median ms, here | ratio | ratio of the least |`);
  console.log('|---|---:|---:|---:|---:|');
  for (const { name, before, now, ratio, least } of rows)
    console.log(
      `| ${name} | ${before.toPrecision(4)} | ${now.toPrecision(4)} | ${ratio.toFixed(3)} | ${least.toFixed(3)} |`,
    );
  const all = mean(({ ratio }) => ratio);
  const least = mean(({ least }) => least);
  console.log(`| all (geometric mean) | | | ${all.toFixed(3)} | ${least.toFixed(3)} |`);
  // Other work on the machine only adds to a sample, and to medians of one side by chance.
  return Math.min(all, least) <= most;
}
