/** examples/cluster/slurm.sh in a real Slurm, which scripts/test-slurm.sh starts. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { rootFolder } from '../../bench/environment.js';
import { promptkd } from '../helpers/cli.js';
import { drawKnownEmoji, emojiStudent, emojiTeacher } from '../helpers/emojiData.js';
import { temporaryFolder } from '../helpers/files.js';

const folder = temporaryFolder('slurm');
const at = (...parts: string[]) => join(folder, ...parts);

it.skipIf(!process.env.PROMPTKD_SLURM)(
  'two array tasks make the table of one process (scripts/test-slurm.sh)',
  async () => {
    await drawKnownEmoji(at('data'));
    const trials = ['--dataset', 'eurosat', 'caltech101', '--seed', '1', '2'];
    const paths = ['--data', at('data'), '--teacher-clip', emojiTeacher, '--student-clip', emojiStudent];
    const small = [
      '--shots',
      '2',
      '--epochs',
      '1',
      '--batch',
      '4',
      '--vision-depth',
      '1',
      '--text-depth',
      '1',
    ];
    const args = [...trials, ...paths, ...small];
    const array = [
      '--wait',
      '--array=1-2',
      '--gres=none',
      '--cpus-per-task=1',
      `--output=${at('task-%a.log')}`,
    ];
    const script = join(rootFolder(), 'examples', 'cluster', 'slurm.sh');
    const { status, stderr } = spawnSync('sbatch', [...array, script, ...args, '--out', at('shared')], {
      encoding: 'utf8',
      env: {
        ...process.env,
        PROMPTKD: `${process.execPath} ${join(rootFolder(), 'dist', 'cli', 'main.js')}`,
      },
    });
    const logs = ['1', '2'].map((task) => readFileSync(at(`task-${task}.log`), 'utf8'));
    expect(status, `${stderr}\n${logs.join('\n')}`).toBe(0);
    for (const [i, log] of logs.entries()) expect(log).toContain(`share ${i + 1} of 2`);

    const whole = promptkd(['reproduce', ...args, '--out', at('whole')], folder);
    expect(whole.status, whole.stderr).toBe(0);
    const collected = promptkd(['reproduce', '--collect', at('shared')], folder);
    // Collected by name, trained in the order of the command.
    expect(collected.stderr).not.toContain('missing');
    const sorted = (table: string) => table.trim().split('\n').sort();
    expect(sorted(collected.stdout)).toEqual(sorted(whole.stdout));
  },
);
