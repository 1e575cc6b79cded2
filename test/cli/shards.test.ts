/** A reproduction in shares: the same table as in one process, and what is missing by name. */
import { cpSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { promptkd } from '../helpers/cli.js';
import { drawKnownEmoji, emojiStudent, emojiTeacher } from '../helpers/emojiData.js';
import { temporaryFolder } from '../helpers/files.js';

const folder = temporaryFolder('shards');
const at = (...parts: string[]) => join(folder, ...parts);
const DATA = ['--dataset', 'eurosat', '--data', at('root')];
const CLIPS = ['--teacher-clip', emojiTeacher, '--student-clip', emojiStudent];
const SMALL = ['--shots', '2', '--epochs', '1', '--batch', '4', '--vision-depth', '1', '--text-depth', '1'];
const SEEDS = ['--seed', '1', '2'];

function run(args: readonly string[], environment: Record<string, string> = {}) {
  return promptkd(['reproduce', ...args], folder, environment);
}

beforeAll(async () => {
  await drawKnownEmoji(at('root'));
});

it('makes the table of one process from two tasks of a Slurm array', () => {
  for (const id of ['1', '2']) {
    const environment = { SLURM_ARRAY_TASK_ID: id, SLURM_ARRAY_TASK_COUNT: '2' };
    // One folder for both, as on a shared file system.
    const task = run([...DATA, ...CLIPS, ...SMALL, ...SEEDS, '--out', at('shared')], environment);
    expect(task.status, task.stderr).toBe(0);
    expect(task.stderr).toContain(`share ${id} of 2`);
    const { trials } = JSON.parse(readFileSync(at('shared', `results-${id}-of-2.json`), 'utf8'));
    expect(trials.map(({ seed }: { seed: number }) => seed)).toEqual([Number(id)]);
    expect(existsSync(at('shared', 'results.json'))).toBe(false);
    if (id === '1') {
      const half = run(['--collect', at('shared'), ...DATA.slice(0, 2), '--seed', '1', '2']);
      expect(half.stderr).toContain('missing: EuroSAT, seed 2: not begun');
    }
  }
  // Everything is finished there: one process only makes the table. One that trains too is compared in test/cluster.
  const whole = run([...DATA, ...CLIPS, ...SMALL, ...SEEDS, '--out', at('shared')]);
  expect(whole.status, whole.stderr).toBe(0);
  const collected = run(['--collect', at('shared')]);
  expect(collected.status, collected.stderr).toBe(0);
  expect(collected.stderr).not.toContain('missing');
  expect(collected.stdout.trim()).toBe(whole.stdout.trim());
});

it('refuses results that do not belong together', () => {
  cpSync(at('shared'), at('other'), { recursive: true });
  const plan = at('other', 'reproduce.yaml');
  writeFileSync(plan, readFileSync(plan, 'utf8').replace(/epochs: 1/, 'epochs: 3'));
  const { status, stderr } = run(['--collect', at('shared'), at('other')]);
  expect(status).toBe(2);
  expect(stderr).toContain('hold different experiments');
  rmSync(at('other'), { recursive: true });
  expect(run(['--collect', at('root')]).stderr).toContain('holds no reproduction: reproduce.yaml is missing');
  expect(run(['--seed', '1']).stderr).toContain(
    '--dataset, --data, --teacher-clip, --student-clip, --out missing',
  );
});
