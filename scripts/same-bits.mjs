/**
 * `npm run same-bits -- COMMIT [--adapter NAME…]`: runs both stages briefly with this tree and with another commit. Compares all
 * logged losses and all tensors of teacher, class vectors and student bit by bit; exit code 1 if any differs.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { withTrees } from './trees.mjs';

const program = new Command('same-bits')
  .argument('<commit>', 'commit to compare with')
  .option('--adapter <name...>', 'software adapters to run on', ['swiftshader', 'lavapipe'])
  .parse();
const [commit] = program.args;
const { adapter: adapters } = program.opts();

/** Files of a run folder, and how to read the parts that are compared. */
const RESULTS = [
  ['teacher', 'metrics.jsonl', losses],
  ['teacher', 'teacher.safetensors', tensors],
  ['student', 'metrics.jsonl', losses],
  ['student', 'class-vectors.safetensors', tensors],
  ['student', 'student.safetensors', tensors],
];
const SHORT = ['--epochs', '2', '--batch', '4'];

process.exitCode = await withTrees(commit, async (trees, folder) => {
  const { drawEmoji } = await import('../dist/cli/demo/emoji.js').then(
    ({ emojiClipFolder, makeEmojiData }) => ({
      drawEmoji: (path) => makeEmojiData(path, { classes: fewClasses(emojiClipFolder()) }),
    }),
  );
  const data = join(folder, 'data');
  await drawEmoji(data);
  let different = 0;
  for (const adapter of adapters) {
    for (const [name, tree] of Object.entries(trees)) train(tree, adapter, data, join(folder, adapter, name));
    for (const [run, file, read] of RESULTS) {
      const [before, now] = ['there', 'here'].map((name) => read(join(folder, adapter, name, run, file)));
      const parts = [...new Set([...before.keys(), ...now.keys()])];
      const differ = parts.filter((part) => before.get(part) !== now.get(part));
      different += differ.length;
      const verdict = differ.length === 0 ? 'the same bits' : `DIFFERENT: ${differ.join(', ')}`;
      console.log(`${adapter}: ${run}/${file}: ${parts.length} parts, ${verdict}`);
    }
  }
  return different === 0 ? 0 : 1;
});

/** Four classes with four images each. */
function fewClasses(models) {
  const all = JSON.parse(readFileSync(join(models, 'domain.json'), 'utf8'));
  return all
    .slice(0, 4)
    .map(({ train, test, ...rest }) => ({ ...rest, train: train.slice(0, 4), test: test.slice(0, 2) }));
}

/** Runs both stages with the command line of one tree. */
function train(tree, adapter, data, out) {
  const models = join(tree, 'emoji-clip');
  const teacher = join(out, 'teacher');
  const common = ['--data', data, ...SHORT];
  promptkd(tree, adapter, [
    ...['teacher', '--clip', join(models, 'teacher'), '--classes', 'all', '--shots', '2'],
    ...[...common, '--out', teacher],
  ]);
  promptkd(tree, adapter, [
    ...['distill', '--teacher', teacher, '--clip', join(models, 'student')],
    ...[...common, '--out', join(out, 'student')],
  ]);
}

function promptkd(tree, adapter, args) {
  const { status, stderr } = spawnSync(process.execPath, [join(tree, 'dist', 'cli', 'main.js'), ...args], {
    env: { ...process.env, PROMPTKD_ADAPTER: adapter },
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`promptkd ${args[0]} ended with ${status} in ${tree}:\n${stderr}`);
}

/** Logged lines without their times, by line number. */
function losses(path) {
  const lines = readFileSync(path, 'utf8').trim().split('\n');
  const timeless = (line) =>
    JSON.stringify(JSON.parse(line), (name, value) =>
      /ms$|time|second|speed|rate_of/i.test(name) ? undefined : value,
    );
  return new Map(lines.map((line, i) => [`line ${i + 1}`, timeless(line)]));
}

/** The bytes of each tensor by name; metadata may differ. */
function tensors(path) {
  const file = readFileSync(path);
  const length = Number(file.readBigUInt64LE(0));
  const { __metadata__: _, ...entries } = JSON.parse(file.subarray(8, 8 + length).toString());
  const bytes = ([from, to]) => file.subarray(8 + length + from, 8 + length + to).toString('base64');
  return new Map(
    Object.entries(entries).map(([name, { dtype, shape, data_offsets: at }]) => [
      name,
      `${dtype} ${shape} ${bytes(at)}`,
    ]),
  );
}
