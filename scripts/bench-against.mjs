/**
 * `npm run bench:against -- COMMIT [--turns N] [--most RATIO] -- step …`: runs a measurement of the bench with this tree and with
 * another commit in turns, because the speed of a machine varies. Prints how much longer each row takes here, and the CPU time of
 * the whole command. Exit code 1 if all three ratios below exceed `--most`.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { withTrees } from './trees.mjs';

const program = new Command('bench:against')
  .argument('<commit>', 'commit to compare with')
  .argument('<bench...>', 'measurement of the bench and its flags, after --')
  .option('--turns <n>', 'how often to measure each tree', Number, 5)
  .option('--most <ratio>', 'largest accepted ratio over all rows', Number, 1.02)
  .parse();
const [commit, ...bench] = program.args;
const { turns, most } = program.opts();

/** Name of the row with the CPU time of the whole command. */
const PROCESSOR = 'CPU time of the whole command';

process.exitCode = await withTrees(commit, (trees, folder) => {
  const samples = { there: new Map(), here: new Map() };
  for (let turn = 0; turn < turns; turn++) {
    // The first one runs on a colder machine.
    const order = turn % 2 === 0 ? ['there', 'here'] : ['here', 'there'];
    for (const which of order)
      for (const [name, timing] of measure(trees[which], join(folder, `${which}-${turn}`)))
        samples[which].set(name, [...(samples[which].get(name) ?? []), ...timing.samples]);
  }
  return compare(samples) ? 0 : 1;
});

/** The timings of one run of the bench by row name, and its CPU time. */
function measure(tree, out) {
  const command = [process.execPath, 'scripts/bench.mjs', ...bench, '--out', out];
  // The shell's `times` prints the CPU time of its children, which other work on the machine hardly changes.
  const { status, stdout } = spawnSync(
    'sh',
    ['-c', '"$@" >/dev/null; s=$?; times; exit $s', 'sh', ...command],
    {
      cwd: tree,
      stdio: ['ignore', 'pipe', 'inherit'],
      encoding: 'utf8',
      env: { ...process.env, PROMPTKD_BUILT: '1' },
    },
  );
  if (status !== 0) throw new Error(`the bench ended with ${status} in ${tree}`);
  const { rows } = JSON.parse(readFileSync(`${out}.json`, 'utf8'));
  const timed = rows.filter(({ timing }) => timing).map((row) => [nameOf(row), row.timing]);
  return [...timed, [PROCESSOR, { samples: [processorMs(stdout)] }]];
}

/** User and system time of the children, from the last line of `times`: `1m2.345s 0m1.500s`. */
function processorMs(times) {
  const parts = times
    .trim()
    .split('\n')
    .at(-1)
    .matchAll(/(\d+)m([\d.]+)s/g);
  return [...parts].reduce((sum, [, minutes, seconds]) => sum + 60_000 * minutes + 1000 * seconds, 0);
}

/** What identifies a row of `step`, `distill` or `peers`. */
function nameOf({ stage, mode, models, dtype, run, case: work, variant }) {
  const parts = [stage && `stage ${stage}`, mode, models, dtype, run, work, variant];
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
  const timed = rows.filter(({ name }) => name !== PROCESSOR);
  const mean = (of) => Math.exp(timed.reduce((sum, row) => sum + Math.log(of(row)), 0) / timed.length);
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
  const processor = rows.find(({ name }) => name === PROCESSOR).ratio;
  return Math.min(all, least, processor) <= most;
}
